<?php
/*
 * What is still the same in sessions as PHP values, and the other end of tests/still_same.rs: makes pairs of sessions with
 * PHP's own encoder, sends them, gets what is said to be the same, decodes it with PHP's own decoder and compares.
 *
 * php still_same_reference.php FORMAT SEED COUNT
 *
 * For each case, in frames: out name, old, new; in the payload; out the verdict, "ok" or what is wrong. An empty name ends
 * the cases.
 */
declare(strict_types=1);

require __DIR__ . '/merge_reference/exchange.php';
require __DIR__ . '/merge_reference/classes.php';
require __DIR__ . '/merge_reference/view.php';
require __DIR__ . '/merge_reference/oracle.php';
require __DIR__ . '/merge_reference/sessions.php';

/** Whether a variable is a bag in both. */
function is_bag(int|string $name, array $old, array $new): bool
{
    return in_array($name, Oracle::BAGS, true) && is_array($old[$name] ?? null) && is_array($new[$name] ?? null);
}

/** What is the same by PHP's encoding of each value, whatever it shares with others. */
function same_by_encoding(array $old, array $new): array
{
    $is_same = fn (array $old, array $new, int|string $key) =>
        array_key_exists($key, $new) && serialize($old[$key]) === serialize($new[$key]);
    $same = [];
    foreach (array_keys($old) as $name) {
        if ($is_same($old, $new, $name)) {
            $same += array_intersect_key($old, [$name => true]);
        } elseif (is_bag($name, $old, $new)) {
            $keys = array_filter(array_keys($old[$name]), fn ($key) => $is_same($old[$name], $new[$name], $key));
            if ($keys) {
                $same[$name] = array_intersect_key($old[$name], array_flip($keys));
            }
        }
    }
    return $same;
}

/** What is the same, with what is shared: the kept paths and the values. */
function same_by_view(View $old, View $new): array
{
    $paths = [];
    $keep = function (string $path) use ($old, $new, &$paths): bool {
        if (!isset($new->worth[$path]) || $old->worth[$path] !== $new->worth[$path]) {
            return false;
        }
        foreach ($old->within($path) as $inner) {
            foreach ($old->names[$inner] as $target) {
                if (!array_filter([$path, ...$paths], fn ($kept) => View::is_within($target, $kept))) {
                    return false;
                }
            }
        }
        $paths[] = $path;
        return true;
    };
    $same = [];
    foreach (array_keys($old->session) as $name) {
        $path = View::below('', $name);
        if ($keep($path)) {
            // An assignment would be a copy of what a reference is bound to.
            $same += array_intersect_key($old->session, [$name => true]);
        } elseif (is_bag($name, $old->session, $new->session)
            && !str_starts_with($old->worth[$path], 'again ') && !str_starts_with($new->worth[$path], 'again ')) {
            $kept = [];
            foreach (array_keys($old->session[$name]) as $key) {
                if ($keep(View::below($path, $key))) {
                    $kept += array_intersect_key($old->session[$name], [$key => true]);
                }
            }
            if ($kept) {
                $same[$name] = $kept;
            }
        }
    }
    return [$paths, $same];
}

/** Whether all of one session is in another, in the same order; bags key by key. */
function is_part(array $part, array $whole, bool $in_order): bool
{
    $is_in_order = fn (array $part, array $whole): bool =>
        !$in_order || array_keys(array_intersect_key($whole, $part)) === array_keys($part);
    $has = function (array $part, array $whole): bool {
        foreach (array_keys($part) as $key) {
            // Not by PHP's encoding, in which a value shows whether one elsewhere is bound to a part of it.
            if (!array_key_exists($key, $whole) || unfolded_member($part, $key, []) !== unfolded_member($whole, $key, [])) {
                return false;
            }
        }
        return true;
    };
    if (!$is_in_order($part, $whole)) {
        return false;
    }
    foreach (array_keys($part) as $name) {
        if (is_bag($name, $part, $whole)) {
            if (!$is_in_order($part[$name], $whole[$name]) || !$has($part[$name], $whole[$name])) {
                return false;
            }
            unset($part[$name], $whole[$name]);
        }
    }
    return $has($part, $whole);
}

function judge(string $old_payload, string $new_payload, string $payload): ?string
{
    if ($old_payload === $new_payload) {
        return $payload === $old_payload ? null : 'is not the payload that both are';
    }
    [$old, $new] = [new View(decode($old_payload)), new View(decode($new_payload))];
    $session = decode($payload);
    $found = new View($session);
    if (!is_part($session, $old->session, true) || !is_part($session, $new->session, false)) {
        return 'has what one of them has not';
    }
    $has = fn (string $property) => $old->$property || $new->$property;
    if ($has('has_custom') && ($has('has_references') || $has('hides_references'))) {
        return $payload === '' ? null : 'has something, beside a C: object and references';
    }
    [$paths, $same] = same_by_view($old, $new);
    if (unfolded($session) !== unfolded($same)) {
        return 'is ' . unfolded($session) . "\nnot " . unfolded($same);
    }
    foreach ($paths as $path) {
        if ($found->worth[$path] !== $old->worth[$path]) {
            return "binds $path otherwise";
        }
    }
    $by_encoding = same_by_encoding($old->session, $new->session);
    if (!$has('has_references') && unfolded($session) !== unfolded($by_encoding)) {
        return 'is ' . unfolded($session) . "\nnot, as PHP encodes each value, " . unfolded($by_encoding);
    }
    return $session === [] && $payload !== '' ? 'is empty but has bytes' : null;
}

function check(string $name, string $old, string $new): void
{
    array_map(send(...), [$name, $old, $new]);
    $payload = receive();
    try {
        $wrong = judge($old, $new, $payload);
    } catch (Throwable $error) {
        $wrong = $error->getMessage();
    }
    send($wrong ?? 'ok');
}

[, $format, $seed, $count] = $argv;
session_set_save_handler(new NowhereHandler());
session_start();
mt_srand((int) $seed);

foreach ([new Maker($format, false), new Maker($format, true)] as $which => $maker) {
    for ($case = 0; $case < $count; $case++) {
        $old = encode($maker->session());
        $session = decode($old);
        $maker->change($session);
        $new = encode($session);
        $name = "seed $seed, " . ($which ? 'with' : 'without') . " references, case $case";
        check($name, $old, $new);
        check("$name, turned", $new, $old);
    }
}
send('');
