# shellcheck shell=bash disable=SC2154,SC2034,SC2016 # the runner sets and reads variables, other shells expand them
# What a neighbour plants among the session files of a shared directory: it neither stops nor delays an import, and is counted.

shared=$run/shared other_users=0
mkdir "$shared"
chmod 1777 "$shared"
if is_root; then
    user=33 neighbour=65534
    by_user() { as "$user" "$@"; }
    by_neighbour() { as "$neighbour" "$@"; }
    install -d -o "$user" -m 700 "$run/planted"
else
    user=$(id -u)
    by_user() { "$@"; }
    by_neighbour() { "$@"; }
    mkdir -m 700 "$run/planted"
    echo "skipped: files of other users, because only root can be other users here"
fi

for id in a b c; do
    by_user sh -c 'umask 077; printf "n|i:1;" >"$1"' sh "$shared/sess_$id"
done
by_neighbour "$python" -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$shared/sess_0"
by_neighbour mkfifo -m 666 "$shared/sess_1"
by_neighbour mkdir -m 777 "$shared/sess_2"
by_neighbour ln -s /dev/zero "$shared/sess_3"
by_neighbour ln -s "$shared/sess_a" "$shared/sess_4"
if is_root; then
    by_neighbour sh -c 'printf "n|i:666;" >"$1"; chmod 666 "$1"' sh "$shared/sess_5"
    by_neighbour truncate -s 1T "$shared/sess_6"
    # Whoever opens a file of which another process has a lease waits for that process.
    by_neighbour "$python" -c '
import fcntl, signal, sys
with open(sys.argv[1], "w") as file:
    file.write("n|i:666;")
    file.flush()
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    print("leased", flush=True)
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    while True:
        signal.pause()' "$shared/sess_7" >"$run/leased" 2>&1 &
    started+=("$!")
    holds 'a neighbour has a lease' wait_until grep -q leased "$run/leased"
    chmod 666 "$shared/sess_7"
    other_users=3
fi

# Skipped are five that are no plain files, and those of other users. The second argument is when it began.
judge_import() {
    local what=$1 took=$((SECONDS - $2))
    said "$what: all sessions came in" 0 '3 sessions were migrated'
    tells "$what: what is no file is counted" '5 entries were skipped, as they are no plain files' "$said"
    if [ "$other_users" -gt 0 ]; then
        tells "$what: so are other users' files" "$other_users files were skipped, as they belong to other users" "$said"
    fi
    holds "$what: without waiting for a lease, which the kernel takes away after 45 s ($took s)" test "$took" -lt 30
}

cloakroom import "$run/planted" --user "$user" --from "files:$shared" --dry-run
said 'a dry run counts what is the user'"'"'s' 0 '3 sessions'
tells 'a dry run counts what is no file' '5 entries were skipped' "$said"
begun=$SECONDS
cloakroom import "$run/planted" --user "$user" --from "files:$shared"
judge_import 'import' "$begun"

if is_root; then
    install -d -o "$user" -m 700 "$run/second"
    begun=$SECONDS code=0
    said=$(as "$user" timeout --kill-after=5 60 "$command" import "$run/second" --from "files:$shared" 2>&1 </dev/null) || code=$?
    judge_import 'import by the user' "$begun"
fi

# A directory with a depth: what stands where a one-letter directory should, or is closed.
deep=$run/deep
mkdir "$deep"
chmod 1777 "$deep"
by_user mkdir "$deep/a"
by_user sh -c 'printf "n|i:1;" >"$1"' sh "$deep/a/sess_abc"
by_neighbour sh -c ': >"$1/b"; ln -s / "$1/c"; mkfifo "$1/d"' sh "$deep"
by_neighbour mkdir -m 0 "$deep/e"
cloakroom import "$run/planted" --user "$user" --from "files:1;$deep" --json
tells 'with a depth: what is behind directories comes in' '"taken": 1' "$said"
tells 'with a depth: what is no directory is counted' '"no_files": 3' "$said"

# One that is too long is refused, and the rest comes in.
by_user truncate -s 1T "$shared/sess_huge"
by_user sh -c 'printf "n|i:1;" >"$1"' sh "$shared/sess_later"
cloakroom import "$run/planted" --user "$user" --from "files:$shared"
said 'a file of a terabyte is refused' 1 'Cloakroom stores at most 16777216'
tells 'a file of a terabyte stops nothing' '1 sessions were migrated' "$said"
by_user rm "$shared/sess_huge"

cloakroom export "$run/planted" --user "$user" --to "files:$shared"
said 'export --to: the sessions are in their files' 0 '4 sessions were in their files already'
as_user=()
is_root && as_user=(--user "$user")
by_user sh -c 'printf "n|i:1;" >"$1"' sh "$shared/sess_swapped"
cloakroom import "$run/planted" "${as_user[@]}" --from "files:$shared"
by_user rm "$shared/sess_swapped"
by_neighbour mkfifo -m 666 "$shared/sess_swapped"
cloakroom export "$run/planted" "${as_user[@]}" --to "files:$shared"
said 'export --to: what is no file is counted' 0 '1 entries were skipped'
