<?php
/*
 * The merge of sessions as PHP values, and the other end of tests/merge.rs: makes sessions with PHP's own encoder, sends
 * them, gets what the merge made of their payloads, decodes it with PHP's own decoder and compares.
 *
 * php merge_reference.php FORMAT SEED COUNT
 *
 * For each case, in frames: out name, the paths to the user's id, base, mine, theirs; in "M", the conflicts and the payload, or "F" and a reason; out
 * the verdict, "ok" or what is wrong. An empty name ends the cases.
 */
declare(strict_types=1);

require __DIR__ . '/merge_reference/exchange.php';
require __DIR__ . '/merge_reference/classes.php';
require __DIR__ . '/merge_reference/view.php';
require __DIR__ . '/merge_reference/oracle.php';
require __DIR__ . '/merge_reference/users.php';
require __DIR__ . '/merge_reference/sessions.php';
require __DIR__ . '/merge_reference/scenarios.php';

/** Has one case merged and says what is wrong with the result. */
function check(string $name, string $base, string $mine, string $theirs, callable $judge, string $users = ''): void
{
    array_map(send(...), [$name, $users, $base, $mine, $theirs]);
    $answer = receive();
    try {
        if ($answer[0] === 'F') {
            $wrong = $judge(null, 0, substr($answer, 1));
        } else {
            $wrong = $judge(substr($answer, 5), unpack('V', $answer, 1)[1], '');
        }
    } catch (Throwable $error) {
        $wrong = $error->getMessage();
    }
    send($wrong ?? 'ok');
}

/** Judges by the merge of the values. */
function check_by_oracle(string $name, array $payloads, string $users = ''): void
{
    [$base, $mine, $theirs] = $payloads;
    $views = array_map(fn (string $payload) => new View(decode($payload)), $payloads);
    if (array_filter($views, fn (View $view) => $view->has_references)) {
        // PHP does not tell which of two places is written and which names it again, and enum cases are shared without being told to.
        $users = '';
    }
    check($name, $base, $mine, $theirs, function (?string $payload, int $conflicts, string $reason) use ($payloads, $users) {
        [$base, $mine, $theirs] = $payloads;
        if ($base === $mine || $base === $theirs) {
            // Only one side has changed anything: its payload is the result.
            $expected = $base === $mine ? $theirs : $mine;
            return $payload === $expected && $conflicts === 0 ? null : 'is not the payload of the only side that changed';
        }
        $oracle = new Oracle(...array_map(fn (string $payload) => new View(decode($payload)), $payloads));
        if ($mine === $theirs) {
            if ($oracle->reason() !== '') {
                return $payload === $mine && $conflicts === 0 ? null : 'is not the payload that both have made';
            }
            $oracle->expect_no_conflicts();
        }
        $sessions = array_map(fn (string $payload) => decode($payload), $payloads);
        $may_merge = $mine !== $theirs && $oracle->reason() === '';
        if ($may_merge && (new Users($users))->instead(...[...$sessions, $oracle->session()]) !== null) {
            return $payload === $mine && $conflicts === 1 ? null : 'mixes what two users have';
        }
        return $oracle->judge($payload === null ? null : new View(decode($payload)), $conflicts, $reason);
    }, $users);
}

[, $format, $seed, $count] = $argv;
session_set_save_handler(new NowhereHandler());
session_start();
mt_srand((int) $seed);

foreach (scenarios() as $name => [$session, $change, $other, $expect]) {
    $base = encode($session());
    $payloads = [$base];
    foreach ([$change, $other] as $by) {
        $state = decode($base);
        $by($state);
        $payloads[] = encode($state);
    }
    check_by_oracle($name, $payloads);
    check("$name, as expected", ...[...$payloads, function (?string $payload, int $conflicts, string $reason) use ($expect) {
        if (is_string($expect)) {
            return $reason === $expect ? null : "should fall back with $expect, not '$reason'";
        }
        return $payload === null ? "fell back with $reason" : $expect(decode($payload), $conflicts);
    }]);
}
if ($format !== 'php_serialize') {
    check_deep($format);
}
foreach ([new Maker($format, false), new Maker($format, true)] as $which => $maker) {
    for ($case = 0; $case < $count; $case++) {
        $base = encode($maker->session());
        $payloads = [$base];
        while (count($payloads) < 3) {
            $state = decode($base);
            $maker->change($state);
            $payloads[] = encode($state);
        }
        $users = ['', 'user', 'user.k, a', '_sf2_attributes.*, b.*.*', '*'][$case % 5];
        $name = "seed $seed, " . ($which ? 'with' : 'without') . " references, case $case, users at '$users'";
        check_by_oracle($name, $payloads, $users);
    }
}
send('');
