<?php
// What PHP was told of the request. Its strings are bytes, so UTF-8 is read as is.
header('Content-Type: application/json');
header('Cache-Control: no-store');

function decoded(string $bytes, string $how): ?string
{
    $text = match ($how) {
        'percent' => rawurldecode($bytes),
        'rfc2047' => @iconv_mime_decode($bytes, 0, 'UTF-8'),
        'base64url' => base64_decode(strtr($bytes, '-_', '+/'), true),
        default => $bytes,
    };
    return $text !== false && preg_match('//u', $text) ? $text : null;
}

$variables = [];
foreach (['$_SERVER' => $_SERVER, 'getallheaders()' => getallheaders(), 'getenv()' => getenv()] as $of => $all) {
    foreach ($all as $name => $value) {
        if (is_array($value)) {
            continue; // argv, which is QUERY_STRING
        }
        $bytes = (string) $value;
        $variables[] = [
            'of' => $of,
            'name' => (string) $name,
            'text' => $bytes,
            'hex' => bin2hex($bytes),
            'decoded' => decoded($bytes, $_GET['decode'] ?? 'raw'),
        ];
    }
}
echo json_encode(
    ['server' => 'PHP ' . PHP_VERSION . ' ' . PHP_SAPI, 'variables' => $variables],
    JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE
);
