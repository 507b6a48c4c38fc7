# shellcheck shell=bash disable=SC2154,SC2034,SC2016 # the runner sets and reads variables, other shells expand them
# What root's command opens by a path that a user can exchange for a link: session files to read and to write, the store,
# archives, lists of ids, manuals, php.ini.

if ! is_root; then
    echo "skipped: links, because only root can be led astray and only root can be other users here"
    return 0
fi

user=33 neighbour=65534
home=$run/home roots=$run/roots secret=$run/secret store=$run/store
install -d -o "$user" -m 755 "$home" "$home/files" "$store"
install -d -m 755 "$roots"
install -d -m 700 "$secret"
for id in one two three; do
    as "$user" sh -c 'umask 077; printf "n|i:1;" >"$1"' sh "$home/files/sess_$id"
done
printf 'password|s:6:"rooted";' >"$secret/sess_private"
printf 'one\ntwo\nfresh\n' >"$run/ids"
printf 'not to be written' >"$roots/target"

# Puts a link to $2 in the place of $1, as the user whose the directory is.
replace() {
    as "$user" mv -T "$1" "$1.kept"
    as "$user" ln -s "$2" "$1"
}
put_back() {
    as "$user" rm "$1"
    as "$user" mv -T "$1.kept" "$1"
}

cloakroom import "$store" --user "$user" --from "files:$home/files"
said 'import: the user'"'"'s own files' 0 '3 sessions were migrated'
same 'import: the store is the user'"'"'s' "$user" "$(stat -c %u "$store/cloakroom-$user.store")"
cloakroom export "$store" --user "$user" --to "files:$home/files" --ids "$run/ids"
said 'export --to: the user'"'"'s own files' 0 '3 sessions were in their files already'

replace "$home/files" "$secret"
cloakroom import "$store" --user "$user" --from "files:$home/files"
said 'import: a link in the place of the directory' 1 "symbolic link that user $user made"
put_back "$home/files"
as "$user" mkdir "$home/app"
replace "$home/app" "$run"
cloakroom import "$store" --user "$user" --from "files:$home/app/secret"
said 'import: a link on the way' 1 "symbolic link that user $user made"
same 'import: nothing of root'"'"'s came in' 3 "$(sessions "$store" "$user")"
cloakroom export "$store" --user "$user" --to "files:$home/app/roots" --ids "$run/ids"
said 'export --to: a link on the way' 1 "symbolic link that user $user made"
same 'export --to: nothing was made in root'"'"'s directory' 'target ' "$(names "$roots")"

# Root's own directory, named as such: only what the user could do there is done.
cloakroom import "$store" --user "$user" --from "files:$secret"
same 'import: root'"'"'s private files are not the user'"'"'s' 3 "$(sessions "$store" "$user")"
cloakroom export "$store" --user "$user" --to "files:$roots" --ids "$run/ids"
same 'export --to: root makes nothing where the user could not' 'target ' "$(names "$roots")"
install -d -o "$neighbour" -m 755 "$run/neighbours"
cloakroom export "$store" --user "$user" --to "files:$run/neighbours" --ids "$run/ids"
said 'export --to: a directory of a neighbour' 1 "belongs to user $neighbour"

# While the command runs, the directory is exchanged for a link and back.
as "$user" mkdir "$home/trap"
as "$user" ln -s "$roots" "$home/link"
race() {
    local what=$1 rounds=0 done=0 refused=0 until=$((SECONDS + 60))
    shift
    as "$user" "$python" "$run/swap.py" "$home/trap" "$home/link" >"$run/swapping" 2>&1 &
    local swapper=$!
    started+=("$swapper")
    wait_until grep -q swapping "$run/swapping"
    while [ $SECONDS -lt $until ] && { [ $rounds -lt 40 ] || [ $done -eq 0 ] || [ $refused -eq 0 ]; }; do
        rounds=$((rounds + 1))
        cloakroom "$@"
        if [ "$code" -eq 0 ]; then done=$((done + 1)); else refused=$((refused + 1)); fi
    done
    holds "$what: the directory is exchanged to the end" kill "$swapper"
    wait "$swapper" 2>/dev/null
    holds "$what: $rounds rounds, some came through ($done) and some were refused ($refused)" \
        test "$done" -gt 0 -a "$refused" -gt 0
    same "$what: nothing was made in root's directory" 'target ' "$(names "$roots")"
    if [ -L "$home/trap" ]; then
        as "$user" mv -T "$home/trap" "$home/spare"
        as "$user" mv -T "$home/link" "$home/trap"
        as "$user" mv -T "$home/spare" "$home/link"
    fi
}
chmod 777 "$roots"
race 'export --to' export "$store" --user "$user" --to "files:$home/trap" --ids "$run/ids"
chmod 755 "$roots"
as "$user" rm -f "$home"/trap/sess_*
as "$user" cp "$home/files/sess_one" "$home/trap/sess_one"
race 'import' import "$store" --user "$user" --from "files:$home/trap" --dry-run

# A store that is to be made: root must not make it elsewhere.
as "$user" rm -f "$home"/trap/*
race 'a new store' import "$home/trap" --user "$user" --from "files:$home/files"
replace "$home/trap" "$roots"
cloakroom import "$home/trap" --user "$user" --from "files:$home/files"
said 'a new store behind a link' 4 "symbolic link that user $user made"
put_back "$home/trap"

# Another store than root meant.
install -d -o "$neighbour" -m 755 "$run/his"
as "$neighbour" ln -s "$store" "$run/his/sessions"
cloakroom destroy "$run/his/sessions" --all --yes
said 'destroy: a neighbour'"'"'s link to another'"'"'s store' 4 "symbolic link that user $neighbour made"
same 'destroy: nobody was logged out' 3 "$(sessions "$store" "$user")"
ln -s store "$run/short"
cloakroom list "$run/short" --user "$user"
same 'a link of root'"'"'s is followed' 0 "$code"

# Archives.
cloakroom export "$store" --user "$user" "$secret/archive"
said 'export: an archive of root'"'"'s' 0 '3 sessions'
as "$user" ln -s "$secret/archive" "$home/archive"
cloakroom import "$home/trap" --user "$user" "$home/archive"
said 'import: a link in the place of an archive' 4 "symbolic link that user $user made"
cloakroom export "$store" --user "$user" "$home/app/roots/archive"
said 'export: a link on the way to an archive' 4 "symbolic link that user $user made"
as "$user" ln -sfn "$roots/target" "$home/archive"
cloakroom export "$store" --user "$user" "$home/archive" --force
said 'export --force: the link itself is replaced' 0 '3 sessions'
same 'export --force: what it led to is not written' 'not to be written' "$(cat "$roots/target")"
same 'export: nobody else can read it' '0 600' "$(stat -c '%u %a' "$home/archive")"

# Lists of ids, and manuals.
as "$user" ln -s "$run/ids" "$home/ids"
cloakroom export "$store" --user "$user" --to "files:$home/files" --ids "$home/ids"
said 'export --ids: a link' 4 "symbolic link that user $user made"
as "$user" mkdir "$home/man"
as "$user" ln -s "$roots/target" "$home/man/cloakroom.1"
cloakroom manual "$home/man"
same 'manual: it is written' 0 "$code"
same 'manual: what a link in its place led to is not' 'not to be written' "$(cat "$roots/target")"
cloakroom manual "$home/app/roots"
said 'manual: a link on the way' 4 "symbolic link that user $user made"
same 'nothing was made in root'"'"'s directory' 'target ' "$(names "$roots")"

# What PHP's settings name is run by the PHP that is asked for them.
install -d -m 777 "$run/asked"
printf '#!/bin/sh\nid -u >>"%s/by"\necho "{}"\n' "$run/asked" >"$run/php"
chmod 755 "$run/php"
as "$user" mkdir "$home/ini"
as "$user" cp "$run/php" "$home/php"
cloakroom doctor "$store" --php "$run/php" --php-ini "$home/ini"
tells 'doctor: a php.ini that a user can exchange' "user $user can exchange" "$said"
cloakroom doctor "$store" --php "$home/php"
tells 'doctor: a PHP that a user can exchange' "user $user can exchange" "$said"
same 'doctor: root ran neither' '' "$(names "$run/asked")"
cloakroom doctor "$store" --user "$user" --php "$home/php" --php-ini "$home/ini"
same 'doctor --user: PHP is asked with that user'"'"'s rights' "$user" "$(cat "$run/asked/by")"
