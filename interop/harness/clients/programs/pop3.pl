#!/usr/bin/perl
# What a mail program does, with Perl's Net::POP3; `library.py` says with which arguments.
use strict;
use warnings;
use Net::POP3;

my ($channel, $host, $port, $user, $login, $authority, $directory, $keep) = @ARGV;
my $password = $ENV{POP3_PASSWORD};
my $certificate = $ENV{POP3_CERTIFICATE};
my %tls = (SSL_ca_file => $authority, SSL_verifycn_scheme => 'pop3', SSL_verifycn_name => $host, SSL_hostname => $host);

%tls = (%tls, SSL_cert_file => $certificate, SSL_key_file => $certificate) if $certificate;

my $pop = Net::POP3->new($host, Port => $port, Timeout => 60, $channel eq 'TLS' ? (SSL => 1, %tls) : ())
    or die "no greeting: $@\n";
if ($channel eq 'STLS') {
    $pop->starttls(%tls) or die 'STLS: ', $pop->message, "\n";
}
my $in = $login eq 'USER' ? $pop->login($user, $password)
    : $login eq 'APOP'    ? $pop->apop($user, $password)
    :                       $pop->auth(sasl($login, $user, $password));
# No mail is "0E0", which is true.
defined $in && $in ne '0' or die "$login: ", $pop->message, "\n";

my %seen = map { $_ => 1 } lines("$directory/seen");
open my $seen, '>>', "$directory/seen" or die $!;
my $ids = $pop->uidl or die 'UIDL: ', $pop->message, "\n";
for my $number (sort { $a <=> $b } keys %$ids) {
    my $id = $ids->{$number};
    unless ($seen{$id}) {
        my $lines = $pop->get($number) or die "RETR $number: ", $pop->message, "\n";
        open my $text, '>:raw', sprintf("%s/texts/%06d", $directory, $number) or die $!;
        # In clear Net::Cmd ends lines with LF, over TLS they are left alone.
        print $text $channel eq 'PLAIN' ? map { s/\n\z/\r\n/r } @$lines : @$lines;
        close $text or die $!;
        print $seen "$id\n";
    }
    if ($keep eq 'delete') {
        $pop->delete($number) or die "DELE $number: ", $pop->message, "\n";
    }
}
$pop->quit or die 'QUIT: ', $pop->message, "\n";

sub sasl {
    require Authen::SASL;
    my ($mechanism, $user, $password) = @_;
    return Authen::SASL->new(mechanism => $mechanism, callback => { user => $user, pass => $password, authname => '' });
}

sub lines {
    my ($path) = @_;
    open my $file, '<', $path or return;
    chomp(my @lines = <$file>);
    return @lines;
}
