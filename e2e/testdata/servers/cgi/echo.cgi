#!/usr/bin/perl
# What CGI was told of the request. The environment is bytes, so UTF-8 is read as
# is. Modules are loaded when they are needed, because every request starts a Perl.
use strict;
use warnings;

sub utf8 {
    my $text = shift;
    die "not UTF-8\n" unless utf8::decode($text);
    return $text;
}

my %decoders = (
    raw       => \&utf8,
    percent   => sub { utf8($_[0] =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger) },
    rfc2047   => sub { require Encode; Encode::decode('MIME-Header', $_[0]) },
    base64url => sub {
        my $text = shift;
        die "not base64url\n" unless $text =~ /\A[A-Za-z0-9_-]*={0,2}\z/;
        require MIME::Base64;
        utf8(MIME::Base64::decode_base64url($text));
    },
);

sub quote {
    my $text = shift // return 'null';
    $text =~ s/(["\\\x00-\x1f\x7f-\xff])/sprintf '\\u%04x', ord $1/ge;
    return qq("$text");
}

my ($how) = ($ENV{QUERY_STRING} // '') =~ /\bdecode=(\w+)/;
my $decoder = $decoders{$how // 'raw'} // $decoders{raw};
my @variables;
for my $name (sort keys %ENV) {
    my $bytes = $ENV{$name};
    push @variables, sprintf '{"of": "%%ENV", "name": %s, "text": %s, "hex": "%s", "decoded": %s}',
        quote($name), quote($bytes), unpack('H*', $bytes), quote(scalar eval { $decoder->($bytes) });
}
binmode STDOUT, ':utf8';
print "Content-Type: application/json\r\nCache-Control: no-store\r\n\r\n";
print '{"server": ', quote("Perl $^V " . $ENV{SERVER_SOFTWARE}), ', "variables": [', join(',', @variables), ']}';
