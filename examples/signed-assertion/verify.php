<?php
// Verifies the assertion that Caddy adds to the requests of a signed-in user.
//
//   $verifier = new Verifier($keysUrl, $issuer, $audience, $cacheFile);
//   $user = $verifier->verify($_SERVER['HTTP_X_AUTH0_ASSERTION'] ?? '')['sub'];

declare(strict_types=1);

/** Says why an assertion is not believed. */
class Refused extends Exception
{
}

class Verifier
{
    private const LEEWAY = 30; // seconds, for clocks that differ
    private const FRESH = 300; // how long the keys are not fetched again
    private const PAUSE = 10; // between two attempts to fetch them
    private const EMERGENCY = 3600; // how long they are good while they cannot be fetched

    public function __construct(
        private string $keysUrl,
        private string $issuer,
        private string $audience,
        private string $cacheFile, // which only the application can write
    ) {
    }

    /** Gives the claims of an assertion that is good; the user is in 'sub'. */
    public function verify(string $assertion): array
    {
        $parts = explode('.', $assertion);
        if (count($parts) !== 3) {
            throw new Refused('it has not three parts');
        }
        $header = self::object($parts[0]);
        if (($header['alg'] ?? null) !== 'ES256' || isset($header['crit']) || !is_string($header['kid'] ?? null)) {
            throw new Refused('it is not signed with ES256, or has no kid');
        }
        $signature = self::decode($parts[2]);
        if (strlen($signature) !== 64) {
            throw new Refused('its signature has not 64 bytes');
        }
        $signed = $parts[0] . '.' . $parts[1];
        if (openssl_verify($signed, self::der($signature), $this->key($header['kid']), OPENSSL_ALGO_SHA256) !== 1) {
            throw new Refused('its signature is wrong');
        }
        return $this->check(self::object($parts[1]));
    }

    private function check(array $claims): array
    {
        $now = time();
        if (($claims['iss'] ?? null) !== $this->issuer) {
            throw new Refused('it is of another issuer');
        }
        if (!in_array($this->audience, (array) ($claims['aud'] ?? []), true)) {
            throw new Refused('it is for another audience');
        }
        if (!is_string($claims['sub'] ?? null) || $claims['sub'] === '') {
            throw new Refused('it has no sub');
        }
        if (!is_int($claims['exp'] ?? null) || $claims['exp'] <= $now - self::LEEWAY) {
            throw new Refused('it has expired');
        }
        $nbf = $claims['nbf'] ?? 0;
        if (!is_int($claims['iat'] ?? null) || !is_int($nbf) || max($claims['iat'], $nbf) > $now + self::LEEWAY) {
            throw new Refused('it is of the future');
        }
        return $claims;
    }

    private function key(string $kid): OpenSSLAsymmetricKey
    {
        $cache = $this->kept();
        if ($cache['keys'] === [] || self::isDue($cache, $kid)) {
            $cache = $this->refresh($cache, $kid);
        }
        if (time() - $cache['fetched'] > self::EMERGENCY) {
            throw new Refused('the keys cannot be fetched');
        }
        $key = isset($cache['keys'][$kid]) ? openssl_pkey_get_public($cache['keys'][$kid]) : false;
        if ($key === false) {
            throw new Refused('it is signed with an unknown key');
        }
        return $key;
    }

    private function kept(): array
    {
        $cache = json_decode((string) @file_get_contents($this->cacheFile), true);
        return (is_array($cache) ? $cache : []) + ['keys' => [], 'fetched' => 0, 'tried' => 0];
    }

    private static function isDue(array $cache, string $kid): bool
    {
        $now = time();
        $wanted = $now - $cache['fetched'] > self::FRESH || !isset($cache['keys'][$kid]);
        return $wanted && $now - $cache['tried'] >= self::PAUSE;
    }

    /** Fetches the keys in one process at a time; the others wait for the first ones only. */
    private function refresh(array $cache, string $kid): array
    {
        $lock = @fopen($this->cacheFile . '.lock', 'c');
        if ($lock === false || !flock($lock, $cache['keys'] === [] ? LOCK_EX : LOCK_EX | LOCK_NB)) {
            return $cache;
        }
        $cache = $this->kept(); // another process may have fetched them meanwhile
        if (self::isDue($cache, $kid)) {
            $cache['tried'] = time();
            if ($this->store($cache)) { // before it is tried, in case this process is ended
                $keys = $this->fetch();
                if ($keys !== []) {
                    $cache['keys'] = $keys;
                    $cache['fetched'] = time();
                    $this->store($cache);
                }
            }
        }
        fclose($lock);
        return $cache;
    }

    /** Gives the keys as PEM by kid; none if that fails. */
    private function fetch(): array
    {
        $context = stream_context_create(['http' => ['timeout' => 5, 'follow_location' => 0]]);
        $set = json_decode((string) @file_get_contents($this->keysUrl, false, $context, 0, 1 << 20), true);
        $keys = [];
        foreach (is_array($set['keys'] ?? null) ? $set['keys'] : [] as $key) {
            $texts = array_filter([$key['kid'] ?? null, $key['x'] ?? null, $key['y'] ?? null], is_string(...));
            if (($key['kty'] ?? null) !== 'EC' || ($key['crv'] ?? null) !== 'P-256' || count($texts) !== 3) {
                continue;
            }
            try {
                $keys[$key['kid']] = self::pem(self::decode($key['x']), self::decode($key['y']));
            } catch (Refused) { // which is no reason to do without the others
            }
        }
        return $keys;
    }

    /** Replaces the file as a whole: others read it meanwhile. Whoever calls has the lock. */
    private function store(array $cache): bool
    {
        $new = $this->cacheFile . '.new';
        $content = json_encode($cache, JSON_THROW_ON_ERROR);
        if (@file_put_contents($new, $content) === strlen($content) && @rename($new, $this->cacheFile)) {
            return true;
        }
        @unlink($new);
        return false;
    }

    private static function object(string $part): array
    {
        $value = json_decode(self::decode($part), true);
        if (!is_array($value)) {
            throw new Refused('it is not JSON');
        }
        return $value;
    }

    private static function decode(string $text): string
    {
        $bytes = preg_match('/\A[A-Za-z0-9_-]*\z/', $text) ? base64_decode(strtr($text, '-_', '+/'), true) : false;
        if ($bytes === false) {
            throw new Refused('it is not base64url');
        }
        return $bytes;
    }

    /** Writes a point as openssl reads it: RFC 5480 in PEM. */
    private static function pem(string $x, string $y): string
    {
        $der = hex2bin('3059301306072a8648ce3d020106082a8648ce3d030107034200') . "\x04" . $x . $y;
        return "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($der), 64) . "-----END PUBLIC KEY-----\n";
    }

    /** Writes r and s as openssl reads them: RFC 3279 section 2.2.3. */
    private static function der(string $signature): string
    {
        $numbers = '';
        foreach (str_split($signature, 32) as $number) {
            $number = ltrim($number, "\0");
            if ($number === '' || ord($number[0]) > 0x7f) {
                $number = "\0" . $number;
            }
            $numbers .= "\x02" . chr(strlen($number)) . $number;
        }
        return "\x30" . chr(strlen($numbers)) . $numbers;
    }
}

if (PHP_SAPI === 'cli' && realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__) {
    if ($argc !== 5) {
        fwrite(STDERR, "usage: verify.php <address of the keys> <issuer> <audience> <cache file> < assertion\n");
        exit(2);
    }
    try {
        $verifier = new Verifier($argv[1], $argv[2], $argv[3], $argv[4]);
        echo json_encode($verifier->verify(trim(stream_get_contents(STDIN))), JSON_THROW_ON_ERROR), "\n";
    } catch (Refused $refusal) {
        fwrite(STDERR, 'refused: ' . $refusal->getMessage() . "\n");
        exit(1);
    }
}
