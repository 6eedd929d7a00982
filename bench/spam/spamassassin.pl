# Judges messages with Mail::SpamAssassin, local tests only: perl spamassassin.pl SITE-FOLDER < paths
# Prints the points of each, a line each, in their order.
use strict;
use warnings;
use Mail::SpamAssassin;

my ($site) = @ARGV;
my $filter = Mail::SpamAssassin->new({
  rules_filename => '/usr/share/spamassassin',
  site_rules_filename => $site,
  userprefs_filename => '/dev/null',
  home_dir_for_helpers => $site,
  local_tests_only => 1,
  dont_copy_prefs => 1,
});
$filter->compile_now(0);
while (my $path = <STDIN>) {
  chomp $path;
  open(my $file, '<:raw', $path) or die "$path: $!";
  my $message = $filter->parse(do { local $/; <$file> });
  my $status = $filter->check($message);
  printf "%.3f\n", $status->get_score();
  $status->finish();
  $message->finish();
}
