# shellcheck shell=bash
# How the tests of packages judge and count; for "source". A test prints a line for each claim and at last the line
# "N passed, N failed".

passed=0 failed=0

# Whether a command succeeds. What it printed is shown where it does not.
holds() {
    local what=$1 output
    shift
    if output=$("$@" 2>&1 </dev/null); then
        passed=$((passed + 1))
        echo "ok: $what"
    else
        failed=$((failed + 1))
        printf '%s\nFAILED: %s\n' "$output" "$what"
    fi
}

# Whether a command fails.
fails() {
    local what=$1
    shift
    # shellcheck disable=SC2016 # the inner shell expands it
    holds "$what" sh -c 'if "$@"; then exit 1; fi' sh "$@"
}

# Whether two texts are the same.
same() {
    local what=$1 expected=$2 found=$3
    # shellcheck disable=SC2016
    holds "$what" sh -c '[ "$1" = "$2" ] || { printf "expected: %s\nfound:    %s\n" "$1" "$2"; exit 1; }' \
        sh "$expected" "$found"
}

# Whether the second text holds the first.
tells() {
    local what=$1 part=$2 text=$3
    # shellcheck disable=SC2016
    holds "$what" sh -c 'case $2 in *"$1"*) ;; *) printf "nobody says: %s\nbut: %s\n" "$1" "$2"; exit 1 ;; esac' \
        sh "$part" "$text"
}

# Repeats a command until it succeeds, for a minute at most.
wait_until() {
    local _
    for _ in {1..600}; do
        if "$@" >/dev/null 2>&1; then
            return 0
        fi
        sleep 0.1
    done
    echo "not within a minute: $*" >&2
    return 1
}

summary() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
