#!/usr/bin/perl
# What CGI was told of the request. The environment is bytes, so UTF-8 is read as is.
use strict;
use warnings;
use Encode qw(decode FB_CROAK LEAVE_SRC);
use JSON::PP;
use MIME::Base64 qw(decode_base64url);

sub utf8 { decode('UTF-8', shift, FB_CROAK | LEAVE_SRC) }

my %decoders = (
    raw       => \&utf8,
    percent   => sub { utf8(shift =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger) },
    rfc2047   => sub { decode('MIME-Header', shift) },
    base64url => sub {
        my $text = shift;
        die "not base64url\n" unless $text =~ /\A[A-Za-z0-9_-]*={0,2}\z/;
        utf8(decode_base64url($text));
    },
);

my ($how) = ($ENV{QUERY_STRING} // '') =~ /\bdecode=(\w+)/;
my $decoder = $decoders{$how // 'raw'};
my @variables;
for my $name (sort keys %ENV) {
    my $bytes = $ENV{$name};
    push @variables, {
        of => '%ENV', name => $name, text => $bytes, hex => unpack('H*', $bytes),
        decoded => scalar eval { $decoder->($bytes) },
    };
}
binmode STDOUT;
print "Content-Type: application/json\r\nCache-Control: no-store\r\n\r\n";
print encode_json({ server => "Perl $^V", variables => \@variables });
