<?php
/*
 * The three-way merge on decoded sessions, after the rules in crates/session/src/merge/mod.rs, and the judgement of what
 * was made of the payloads.
 */
declare(strict_types=1);

class Oracle
{
    public const BAGS = ['_sf2_attributes', '_contao_be_attributes', '_contao_fe_attributes', '__Laminas', '__ZF', '__default'];

    /** What is kept, in order: path => the path that it has in "mine", in "theirs" or in both. */
    private array $kept = [];
    private array $session = [];
    private int $conflicts = 0;

    public function __construct(private View $base, private View $mine, private View $theirs)
    {
        $this->session = $this->merge('', true, true);
    }

    /** The merged session. */
    public function session(): array
    {
        return $this->session;
    }

    /** Both sides are the same, so that nothing contradicts. */
    public function expect_no_conflicts(): void
    {
        $this->conflicts = 0;
    }

    /** Returns what is wrong, if anything is. */
    public function judge(?View $merged, int $conflicts, string $reason): ?string
    {
        $expected = $this->reason();
        if ($reason !== $expected) {
            return "ends with the reason '$reason', not '$expected'";
        }
        if ($merged === null) {
            return null;
        }
        if (unfolded($merged->session) !== unfolded($this->session)) {
            return "is " . unfolded($merged->session) . "\nnot " . unfolded($this->session);
        }
        if ($conflicts !== $this->conflicts) {
            return "counts $conflicts conflicts, not $this->conflicts";
        }
        foreach ($this->kept as $unit => $paths) {
            $found = $this->bound($merged, (string) $unit, null);
            $wanted = array_map(fn ($side) => $this->bound($this->$side, $paths[$side], $side), array_keys($paths));
            if (!in_array($found, $wanted, true)) {
                return "binds $unit to " . json_encode($found) . ', not to ' . json_encode($wanted);
            }
        }
        return null;
    }

    /**
     * What the elements at and below a path are bound to, by the paths of the result. Equal enum cases are one anywhere,
     * whoever wrote them.
     */
    private function bound(View $view, string $path, ?string $side): array
    {
        $bindings = array_merge(...array_map(fn ($inner) => $view->bindings[$inner], array_values($view->within($path))));
        $bindings = array_filter($bindings, fn ($binding) => !str_contains($binding[0], View::CASE));
        return array_values(array_map(
            fn ($binding) => [$binding[0], $side ? $this->result_path($binding[1], $side) : $binding[1], $binding[2]],
            $bindings,
        ));
    }

    /** Where an element of one side is in the result. */
    private function result_path(string $path, string $side): string
    {
        foreach ($this->kept as $unit => $paths) {
            if (isset($paths[$side]) && View::is_within($path, $paths[$side])) {
                return $unit . substr($path, strlen($paths[$side]));
            }
        }
        return "nowhere, $path";
    }

    /** Merges by key. Null where both changed one element differently, unless the keys are independent of each other. */
    private function merge(string $path, bool $has_base, bool $is_bag): ?array
    {
        $merged = [];
        foreach ($this->theirs->keys[$path] as $key) {
            $below = View::below($path, $key);
            $was = $has_base && isset($this->base->worth[$below]);
            if (!isset($this->mine->worth[$below])) {
                if (!$was) {
                    $this->keep($merged, $key, ['theirs' => $below]);
                } elseif ($this->base->worth[$below] !== $this->theirs->worth[$below]) {
                    if ($this->merge_with_removed($merged, $key, $below, $this->theirs)) {
                        continue;
                    }
                    if (!$is_bag) {
                        return null;
                    }
                    $this->conflicts++;
                }
                continue;
            }
            $same = fn (View $view) => $was && $this->base->worth[$below] === $view->worth[$below];
            if ($same($this->mine)) {
                $this->keep($merged, $key, ['theirs' => $below] + ($same($this->theirs) ? ['mine' => $below] : []));
            } elseif ($same($this->theirs)) {
                $this->keep($merged, $key, ['mine' => $below]);
            } elseif ($this->mine->open[$below] && $this->theirs->open[$below]) {
                $is_inner_bag = $path === '' && in_array($key, self::BAGS, true);
                $this->merge_arrays($merged, $key, $below, $was && isset($this->base->keys[$below]), $is_inner_bag);
            } elseif ($this->is_same_change($below)) {
                $this->keep($merged, $key, ['theirs' => $below, 'mine' => $below]);
            } elseif ($is_bag) {
                $this->conflicts++;
                $this->keep($merged, $key, ['mine' => $below]);
            } else {
                return null;
            }
        }
        foreach ($this->mine->keys[$path] as $key) {
            $below = View::below($path, $key);
            if (isset($this->theirs->worth[$below])) {
                continue;
            }
            $was = $has_base && isset($this->base->worth[$below]);
            if ($was && $this->base->worth[$below] === $this->mine->worth[$below]) {
                continue;
            }
            if ($was && $this->merge_with_removed($merged, $key, $below, $this->mine)) {
                continue;
            }
            if ($was && !$is_bag) {
                return null;
            }
            $this->conflicts += (int) $was;
            $this->keep($merged, $key, ['mine' => $below]);
        }
        return $merged;
    }

    /** Merges arrays that both changed, and puts the result at a key. */
    private function merge_arrays(array &$merged, int|string $key, string $path, bool $has_base, bool $is_bag): void
    {
        $views = [$this->mine, $this->theirs, ...($has_base ? [$this->base] : [])];
        $are_lists = !array_filter($views, fn ($view) => !self::is_list($view, $path));
        $before = [$this->kept, $this->conflicts];
        if (!$are_lists) {
            $inner = $this->merge($path, $has_base, $is_bag);
        } elseif (
            !$has_base && str_starts_with($this->base->worth[$path] ?? '', 'again ')
            || array_filter($views, fn (View $view) => $this->has_outer_references($view, $path))
        ) {
            if ($this->is_same_change($path)) {
                $this->keep($merged, $key, ['theirs' => $path, 'mine' => $path]);
                return;
            }
            $inner = null;
        } else {
            $inner = $this->merge_lists($path, [$has_base ? $this->base : null, $this->mine, $this->theirs]);
        }
        if ($inner !== null) {
            $merged[$key] = $inner;
            return;
        }
        [$this->kept, $this->conflicts] = $before;
        $this->conflicts++;
        $this->keep($merged, $key, ['mine' => $path]);
    }

    /** Merges a list that one side has changed and the other has removed, if it is one that can be merged. */
    private function merge_with_removed(array &$merged, int|string $key, string $path, View $left): bool
    {
        if (!$left->open[$path] || !isset($this->base->keys[$path])) {
            return false;
        }
        foreach ([$left, $this->base] as $view) {
            if (!self::is_list($view, $path) || $this->has_outer_references($view, $path)) {
                return false;
            }
        }
        [$was, $now] = array_map(fn (View $view) => $this->texts($view, $path), [$this->base, $left]);
        [$partners, $inserted] = self::align($was, $now);
        if ($inserted && count($partners) < count($was)) {
            return false;
        }
        $list = $this->merge_lists($path, [$this->base, $left === $this->mine ? $left : null, $left === $this->theirs ? $left : null]);
        if ($list) {
            $merged[$key] = $list;
        }
        return true;
    }

    private static function is_list(View $view, string $path): bool
    {
        return $view->keys[$path] === array_keys(array_values($view->keys[$path]));
    }

    /** Whether an element of a list names a value elsewhere. */
    private function has_outer_references(View $view, string $path): bool
    {
        foreach ($view->keys[$path] as $key) {
            $element = View::below($path, $key);
            foreach ($view->within($element) as $inner) {
                foreach ($view->names[$inner] as $target) {
                    if (!View::is_within($target, $element)) {
                        return true;
                    }
                }
            }
        }
        return false;
    }

    /** What tells the elements of a list. */
    private function texts(?View $view, string $path): array
    {
        return array_map(
            fn ($key) => serialize($view->holder(View::below($path, $key))[$key]),
            $view?->keys[$path] ?? [],
        );
    }

    /** Merges the lists that base, mine and theirs have at a path; who has none has an empty one. */
    private function merge_lists(string $path, array $views): array
    {
        [$base, $mine, $theirs] = array_map(fn (?View $view) => $this->texts($view, $path), $views);
        $merged = [];
        $keep = function (?int $my, ?int $their) use (&$merged, $path) {
            $paths = ($their === null ? [] : ['theirs' => View::below($path, $their)])
                + ($my === null ? [] : ['mine' => View::below($path, $my)]);
            $this->keep($merged, $their ?? $my, $paths, count($merged), View::below($path, count($merged)));
        };
        if (count($base) === count($mine) && count($base) === count($theirs)) {
            foreach ($base as $at => $was) {
                $this->conflicts += (int) ($mine[$at] !== $was && $theirs[$at] !== $was && $mine[$at] !== $theirs[$at]);
                match (true) {
                    $mine[$at] === $theirs[$at] => $keep($at, $at),
                    $mine[$at] === $was => $keep(null, $at),
                    default => $keep($at, null),
                };
            }
            return $merged;
        }
        [$my_partners, $my_inserted] = self::align($base, $mine);
        [$their_partners, $their_inserted] = self::align($base, $theirs);
        for ($gap = 0; $gap <= count($base); $gap++) {
            array_map(fn (int $at) => $keep(null, $at), $their_inserted[$gap] ?? []);
            array_map(fn (int $at) => $keep($at, null), $my_inserted[$gap] ?? []);
            if (isset($my_partners[$gap], $their_partners[$gap])) {
                $keep($my_partners[$gap], $their_partners[$gap]);
            }
        }
        return $merged;
    }

    /** The elements of a side that those of the base have become, and what was inserted in each gap. */
    private static function align(array $base, array $side): array
    {
        [$first, $was_end, $now_end] = [0, count($base), count($side)];
        $partners = [];
        while ($first < min($was_end, $now_end) && $base[$first] === $side[$first]) {
            $partners[$first] = $first;
            $first++;
        }
        while ($first < min($was_end, $now_end) && $base[$was_end - 1] === $side[$now_end - 1]) {
            $partners[--$was_end] = --$now_end;
        }
        $common = [];
        for ($was = $was_end; $was >= $first; $was--) {
            for ($now = $now_end; $now >= $first; $now--) {
                $common[$was][$now] = match (true) {
                    $was === $was_end || $now === $now_end => 0,
                    $base[$was] === $side[$now] => $common[$was + 1][$now + 1] + 1,
                    default => max($common[$was + 1][$now], $common[$was][$now + 1]),
                };
            }
        }
        [$was, $now, $gap, $inserted] = [$first, $first, $first, []];
        while ($was < $was_end || $now < $now_end) {
            if ($was < $was_end && $now < $now_end && $base[$was] === $side[$now]) {
                $partners[$was] = $now++;
                $gap = ++$was;
            } elseif ($was < $was_end && ($now === $now_end || $common[$was + 1][$now] >= $common[$was][$now + 1])) {
                $was++;
            } else {
                $inserted[$gap][] = $now++;
            }
        }
        return [$partners, $inserted];
    }

    /** Keeps what has the key `$from` in its side; in the result it has another key and path where told so. */
    private function keep(array &$merged, int|string $from, array $paths, int|string|null $to = null, ?string $path = null): void
    {
        $this->kept[$path ?? current($paths)] = $paths;
        $to ??= $from;
        $side = array_key_first($paths);
        $holder = $this->$side->holder($paths[$side]);
        if (ReflectionReference::fromArrayElement($holder, $from)) {
            $merged[$to] = &$holder[$from];
        } else {
            $merged[$to] = $holder[$from];
        }
    }

    private function is_same_change(string $path): bool
    {
        if ($this->mine->worth[$path] !== $this->theirs->worth[$path]) {
            return false;
        }
        foreach ($this->mine->within($path) as $inner) {
            foreach ($this->mine->names[$inner] as $target) {
                $is_unchanged = isset($this->base->worth[$target])
                    && $this->base->worth[$target] === $this->mine->worth[$target]
                    && $this->base->worth[$target] === ($this->theirs->worth[$target] ?? null);
                if (!View::is_within($target, $path) && !$is_unchanged) {
                    return false;
                }
            }
        }
        return true;
    }

    /** Why the payloads cannot be merged; empty where they can. */
    public function reason(): string
    {
        $any = fn (string $what) => $this->base->$what || $this->mine->$what || $this->theirs->$what;
        if ($any('has_custom') && ($any('has_references') || $any('hides_references'))) {
            return 'CustomBesideReferences';
        }
        foreach ($this->kept as $unit => $paths) {
            $whole = array_filter(array_keys($paths), fn ($side) => $this->is_whole((string) $unit, $side));
            if (!$whole) {
                return 'CrossingReference';
            }
        }
        return '';
    }

    /** Whether all that a kept element of one side names comes from that side, too, and not behind it. */
    private function is_whole(string $unit, string $side): bool
    {
        foreach ($this->$side->within($this->kept[$unit][$side]) as $path) {
            foreach ($this->$side->names[$path] as $target) {
                $found = false;
                foreach ($this->kept as $other => $paths) {
                    $found = isset($paths[$side]) && View::is_within($target, $paths[$side]);
                    if ($found || (string) $other === $unit) {
                        break;
                    }
                }
                if (!$found) {
                    return false;
                }
            }
        }
        return true;
    }
}
