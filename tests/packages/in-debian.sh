#!/bin/bash
# What tests/packages/debian runs inside of the fresh system: the life of the packages, from installation to purge, with
# the distribution's own php-fpm, nginx and init scripts.
set -euo pipefail
# shellcheck source=tests/packages/checks.sh
. /test/checks.sh

php=$1
ini=/etc/php/$php/mods-available/cloakroom.ini
store=/var/lib/cloakroom/cloakroom-33.store
log=/test/log

# Ends the processes of this system in order, so that nginx and php-fpm say what they have to say.
trap '/etc/init.d/nginx stop >>"$log" 2>&1; "/etc/init.d/php$php-fpm" stop >>"$log" 2>&1' EXIT

apt() {
    apt-get -qq -y -o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root "$@"
}
fpm() {
    "/etc/init.d/php$php-fpm" "$1" >>"$log" 2>&1
    wait_until test -S "/run/php/php$php-fpm.sock"
}
# What the page says to visitor $1: "count handler loaded".
visit() {
    php"$php" -n /test/visitor.php /run/site.sock "/test/jar-$1" /count.php
}
# Every setting of PHP's session module, as php-fpm and the command line have them.
session_settings() {
    "php-fpm$php" -i 2>&1 | grep '^session\.' | grep -v '^session\.cloakroom_lock '
    "php$php" -i 2>&1 | grep '^session\.' | grep -v '^session\.cloakroom_lock '
}
master() {
    cat "/run/php/php$php-fpm.pid"
}
install_them() {
    apt install /test/*.deb >>"$log" 2>&1 || { tail -n 20 "$log"; return 1; }
}

cat >/var/www/html/count.php <<'PHP'
<?php
session_start();
$_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
echo $_SESSION['count'], ' ', ini_get('session.save_handler'), ' ',
    extension_loaded('cloakroom') ? 'loaded' : 'without';
PHP
cat >/etc/nginx/sites-available/default <<CONF
server {
    listen unix:/run/site.sock;
    root /var/www/html;
    location ~ \.php\$ {
        include snippets/fastcgi-php.conf;
        fastcgi_pass unix:/run/php/php$php-fpm.sock;
    }
}
CONF
# Services are started by hand here; only php-fpm may be restarted by its trigger, as it is on a server.
printf '#!/bin/sh\ncase $1 in php*-fpm) exit 0 ;; *) exit 101 ;; esac\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
fpm start
/etc/init.d/nginx start >>"$log" 2>&1
wait_until test -S /run/site.sock

# Installing changes nothing but that PHP knows one handler more.
same 'before: sessions are files' '1 files without' "$(visit early)"
before=$(session_settings)
started=$(master)
holds 'apt installs both packages without a network' install_them
holds 'all files are as the packages have them' dpkg --verify cloakroom "php$php-cloakroom"
wait_until test "$started" != "$(master)" || true
holds 'php-fpm was restarted by its trigger' test "$started" != "$(master)"
same 'the same visitor goes on with files' '2 files loaded' "$(visit early)"
same 'no setting of sessions has changed' "$before" "$(session_settings)"
same 'the command line starts without a word' '' "$("php$php" -r '' 2>&1)"
same 'the directory is as that of PHP' '1733 root root' "$(stat -c '%a %U %G' /var/lib/cloakroom)"
same 'nothing is in it yet' '' "$(ls /var/lib/cloakroom)"

cat >/test/defaults.php <<'PHP'
<?php
// The ini file names each setting of the extension with its default, behind a semicolon.
$named = parse_ini_string(preg_replace('/^;(?=cloakroom\.)/m', '', file_get_contents($argv[1])), false, INI_SCANNER_RAW);
foreach (ini_get_all('cloakroom') as $name => ['global_value' => $default]) {
    if (str_starts_with($name, 'cloakroom.') && ($named[$name] ?? null) !== (string) $default) {
        exit("$name = $default is not what the ini file says");
    }
    unset($named[$name]);
}
echo implode(' ', array_keys($named));
PHP
same 'the ini file names every setting with its default' 'extension' "$("php$php" /test/defaults.php "$ini")"

tells 'the manual of the command is there' 'cloakroom' "$(zcat /usr/share/man/man1/cloakroom.1.gz)"
holds 'bash completes the command' bash -c '. /usr/share/bash-completion/completions/cloakroom && complete -p cloakroom'
holds 'the licences of the crates in the binaries are there' zgrep -q '^rustix ' /usr/share/doc/cloakroom/third-party-licences.gz

# Put to work by the two lines.
sed -i 's/^;\(session\.save_\)/\1/' "$ini"
fpm reload
wait_until sh -c "[ \"\$(php$php -n /test/visitor.php /run/site.sock /test/jar-probe /count.php)\" != 'x' ]"
wait_until sh -c "php$php -n /test/visitor.php /run/site.sock /test/jar-probe /count.php | grep cloakroom"
same 'a session is begun in the store' '1 cloakroom loaded' "$(visit one)"
same 'and found again' '2 cloakroom loaded' "$(visit one)"
same 'the store belongs to the user of the workers' '600 www-data' "$(stat -c '%a %U' "$store")"
holds 'cloakroom status counts the session' \
    sh -c 'cloakroom status /var/lib/cloakroom --user 33 | grep -E "^sessions +[1-9]"'
holds 'cloakroom check finds the store whole' cloakroom check /var/lib/cloakroom --user 33
fpm restart
same 'the session survives a restart of php-fpm' '3 cloakroom loaded' "$(visit one)"

# What the administrator disables stays disabled.
phpdismod -v "$php" -s fpm cloakroom
fpm restart
tells 'phpdismod takes the extension away from php-fpm' 'without' "$(visit two)"
holds 'an upgrade' dpkg -i /test/cloakroom_*.deb "/test/php$php"-cloakroom_*.deb
holds 'leaves it disabled' test ! -e "/etc/php/$php/fpm/conf.d/20-cloakroom.ini"
holds 'and enabled elsewhere' test -e "/etc/php/$php/cli/conf.d/20-cloakroom.ini"
holds 'and keeps what was changed in the ini file' grep -q '^session.save_handler = cloakroom$' "$ini"
phpenmod -v "$php" -s fpm cloakroom
fpm restart
same 'phpenmod gives it back, with its sessions' '4 cloakroom loaded' "$(visit one)"

# Removal: PHP works without it, the sessions stay.
echo 'php_admin_value[session.save_handler] = cloakroom' >>"/etc/php/$php/fpm/pool.d/www.conf"
told=$(apt remove "php$php-cloakroom" 2>&1) || failed=$((failed + 1))
tells 'removal tells where the handler is still configured' 'is still cloakroom' "$told"
sed -i '$ d' "/etc/php/$php/fpm/pool.d/www.conf"
fpm restart
same 'no link to its ini file is left' '' "$(find "/etc/php/$php" -lname '*cloakroom*')"
same 'PHP starts without a word' '' "$("php$php" -r '' 2>&1)"
same 'sessions are files again' '3 files without' "$(visit early)"
holds 'the store stays' test -s "$store"
holds 'installed again' install_them
wait_until sh -c "php$php -n /test/visitor.php /run/site.sock /test/jar-probe /count.php | grep cloakroom" || true
same 'it has the sessions' '5 cloakroom loaded' "$(visit one)"

# Purge.
echo 'of the administrator' >/var/lib/cloakroom/notes
touch "$store.format-1-12345"
told=$(apt purge "php$php-cloakroom" cloakroom 2>&1) || failed=$((failed + 1))
case $told in *'is still cloakroom'*) failed=$((failed + 1)); echo 'FAILED: purge warns of a handler that goes with it' ;; esac
same 'purge removes the stores and nothing else' notes "$(ls /var/lib/cloakroom)"
same 'nothing of the packages is left' '' \
    "$(find /etc /usr /var/lib/php /var/lib/dpkg/info -name '*cloakroom*')"
fpm restart
same 'and PHP has its files' '4 files without' "$(visit early)"

summary
