<?php
/* Cases with a known result: what the session is, what each request does, and the reason to fall back or a judge. */
declare(strict_types=1);

function scenarios(): array
{
    $nothing_shared = fn () => ['user' => ['id' => 1, 'roles' => ['a']], 'cart' => [5 => 1], 'hits' => 0];
    $shared_object = function () {
        $object = new Plain();
        return ['first' => $object, 'second' => [$object], 'hits' => 0];
    };
    $shared_scalar = function () {
        $value = 1;
        return ['first' => &$value, 'second' => &$value, 'hits' => 0];
    };
    $custom = fn () => ['custom' => new Custom([1, 2]), 'hits' => 0];
    $hit = function (array &$session) {
        $session['hits']++;
    };
    $add = fn (string $key, mixed $value) => function (array &$session) use ($key, $value) {
        $session[$key] = $value;
    };
    $is = fn (callable $holds, int $conflicts = 0) => fn (array $merged, int $counted) => match (true) {
        $counted !== $conflicts => "counts $counted conflicts, not $conflicts",
        $holds($merged) => null,
        default => 'is ' . var_export($merged, true),
    };

    return [
        'each adds to the cart' => [
            $nothing_shared,
            function (array &$session) {
                $session['cart'][7] = 1;
            },
            function (array &$session) {
                $session['cart'][8] = 2;
                unset($session['cart'][5]);
            },
            $is(fn ($merged) => $merged['cart'] === [8 => 2, 7 => 1] && $merged['hits'] === 0),
        ],
        'both count a hit' => [$nothing_shared, $hit, $hit, $is(fn ($merged) => $merged['hits'] === 1)],
        'both append to a list' => [
            $nothing_shared,
            function (array &$session) {
                $session['user']['roles'][] = 'mine';
            },
            function (array &$session) {
                $session['user']['roles'][] = 'theirs';
            },
            $is(fn ($merged) => $merged['user']['roles'] === ['a', 'theirs', 'mine']),
        ],
        'unset against a change' => [
            $nothing_shared,
            function (array &$session) {
                unset($session['user']);
            },
            function (array &$session) {
                $session['user']['id'] = 2;
            },
            $is(fn ($merged) => array_keys($merged) === ['cart', 'hits'], 1),
        ],
        'a change against unset' => [
            $nothing_shared,
            function (array &$session) {
                $session['user']['id'] = 2;
            },
            function (array &$session) {
                unset($session['user']);
            },
            $is(fn ($merged) => $merged['user'] === ['id' => 2, 'roles' => ['a']], 1),
        ],
        'floats keep all their bits' => [
            fn () => ['f' => [NAN, INF, -INF, -0.0, 0.1, 1e100, 5e-324]],
            $add('mine', -0.0),
            $add('theirs', NAN),
            $is(fn ($merged) => serialize($merged['f']) === serialize([NAN, INF, -INF, -0.0, 0.1, 1e100, 5e-324])
                && serialize($merged['mine']) === 'd:-0;' && is_nan($merged['theirs'])),
        ],
        'enum cases' => [
            fn () => ['suit' => Suit::Hearts, 'again' => Suit::Hearts],
            $add('mine', [Suit::Spades, Suit::Spades]),
            $add('suit', Suit::Spades),
            $is(fn ($merged) => $merged
                === ['suit' => Suit::Spades, 'again' => Suit::Hearts, 'mine' => [Suit::Spades, Suit::Spades]]),
        ],
        'an object shared by variables, others changed' => [
            $shared_object,
            $hit,
            $add('new', ['x' => new Plain()]),
            $is(fn ($merged) => $merged['first'] === $merged['second'][0] && $merged['hits'] === 1 && isset($merged['new'])),
        ],
        'a shared object changed' => [
            $shared_object,
            function (array &$session) {
                $session['first']->open = 'changed';
            },
            $hit,
            $is(fn ($merged) => $merged['first'] === $merged['second'][0] && $merged['second'][0]->open === 'changed'),
        ],
        'a new reference to an object that nobody changed' => [
            $shared_object,
            function (array &$session) {
                $session['third'] = $session['first'];
            },
            $add('new', 1),
            $is(fn ($merged) => $merged['third'] === $merged['first'] && $merged['new'] === 1),
        ],
        'a new reference to an object that the other changed' => [
            $shared_object,
            function (array &$session) {
                $session['third'] = $session['first'];
            },
            function (array &$session) {
                $session['first']->open = 'changed';
            },
            'CrossingReference',
        ],
        'variables bound by reference' => [
            $shared_scalar,
            function (array &$session) {
                $session['first'] = 2;
            },
            $hit,
            $is(function ($merged) {
                $merged['first'] = 3;
                return $merged['second'] === 3 && $merged['hits'] === 1;
            }),
        ],
        'references within what is added' => [
            fn () => ['old' => [1, 2, 3]],
            function (array &$session) {
                $object = new stdClass();
                $object->self = $object;
                $session['mine'] = ['x' => 1, 'y' => $object, 'z' => [$object]];
                $session['mine']['w'] = &$session['mine']['x'];
            },
            $add('theirs', ['o' => $object = new Plain(), 'p' => $object]),
            $is(function ($merged) {
                $merged['mine']['w'] = 5;
                return $merged['mine']['x'] === 5 && $merged['mine']['y'] === $merged['mine']['z'][0]
                    && $merged['mine']['y']->self === $merged['mine']['y']
                    && $merged['theirs']['o'] === $merged['theirs']['p'];
            }),
        ],
        'slots that objects of each kind take' => [
            fn () => ['hits' => 0],
            function (array &$session) {
                $magic = new Magic();
                $magic->kept = [new Sleeper(), new DateTime('2001-01-01 UTC')];
                $last = new stdClass();
                $session['mine'] = [$magic, new Plain(), Suit::Hearts, new Sleeper(), $last, $last, Suit::Hearts];
            },
            $add('theirs', [new Plain(), [1, 2, [3]]]),
            $is(fn ($merged) => $merged['mine'][4] instanceof stdClass && $merged['mine'][4] === $merged['mine'][5]
                && $merged['mine'][6] === Suit::Hearts),
        ],
        'a C: object' => [
            $custom,
            $add('mine', [1]),
            $add('custom', new Custom('changed')),
            $is(fn ($merged) => $merged['custom']->kept === 'changed' && $merged['mine'] === [1]),
        ],
        'a C: object beside a reference' => [
            $custom,
            $add('mine', [$object = new Plain(), $object]),
            $hit,
            'CustomBesideReferences',
        ],
        'a C: object that holds a reference' => [
            $custom,
            $add('mine', new Custom([$object = new Plain(), $object])),
            $hit,
            'CustomBesideReferences',
        ],
        'all is gone' => [
            fn () => ['a' => 1, 'b' => 2],
            function (array &$session) {
                unset($session['a']);
            },
            function (array &$session) {
                unset($session['b']);
            },
            $is(fn ($merged) => $merged === []),
        ],
    ];
}

/** 200,000 arrays around each other, in whose innermost both requests have added a key. */
function check_deep(string $format): void
{
    $depth = 200_000;
    $name = $format === 'php' ? 'deep|' : "\x04deep";
    // Not lists, of which elements are kept whole.
    $nested = fn (string $inner) => $name . str_repeat('a:1:{i:7;', $depth) . $inner . str_repeat('}', $depth);
    $payloads = [$nested('a:0:{}'), $nested('a:1:{s:1:"m";i:1;}'), $nested('a:1:{s:1:"t";i:2;}')];
    check('200,000 deep', ...[...$payloads, function (?string $payload, int $conflicts, string $reason) use ($depth) {
        if ($payload === null || $conflicts !== 0) {
            return "ends with reason '$reason' or $conflicts conflicts";
        }
        $inner = decode($payload)['deep'];
        for ($left = $depth; $left > 0; $left--) {
            $inner = $inner[7];
        }
        return $inner === ['t' => 2, 'm' => 1] ? null : 'is ' . var_export($inner, true);
    }]);
}
