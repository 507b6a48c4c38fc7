<?php
/*
 * The three-way merge on decoded sessions, after the table in crates/session/src/merge/mod.rs, and the judgement of what
 * was made of the payloads.
 */
declare(strict_types=1);

class Oracle
{
    /** What is kept, in order: path => "mine", "theirs" or "both". */
    private array $kept = [];
    private array $session = [];
    private int $conflicts = 0;

    public function __construct(private View $base, private View $mine, private View $theirs)
    {
        $this->session = $this->merge('', true);
    }

    /** Returns what is wrong, if anything is. */
    public function judge(?View $merged, int $conflicts, string $reason): ?string
    {
        $expected = $this->expected_reason();
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
        foreach ($this->kept as $unit => $side) {
            $found = $this->bound($merged, (string) $unit);
            $wanted = array_map(fn (View $view) => $this->bound($view, (string) $unit), $this->sides($side));
            if (!in_array($found, $wanted, true)) {
                return "binds $unit to " . json_encode($found) . ', not to ' . json_encode($wanted);
            }
        }
        return null;
    }

    /** What the elements at and below a path are bound to. Equal enum cases are one anywhere, whoever wrote them. */
    private function bound(View $view, string $path): array
    {
        $bindings = array_merge(...array_map(fn ($inner) => $view->bindings[$inner], array_values($view->within($path))));
        return array_values(array_filter($bindings, fn ($binding) => !str_contains($binding, View::CASE)));
    }

    private function merge(string $path, bool $has_base): array
    {
        $merged = [];
        foreach ($this->theirs->keys[$path] as $key) {
            $below = View::below($path, $key);
            $was = $has_base && isset($this->base->worth[$below]);
            if (!isset($this->mine->worth[$below])) {
                if (!$was) {
                    $this->keep($merged, $key, $below, 'theirs');
                } elseif ($this->base->worth[$below] !== $this->theirs->worth[$below]) {
                    $this->conflicts++;
                }
                continue;
            }
            $same = fn (View $view) => $was && $this->base->worth[$below] === $view->worth[$below];
            if ($same($this->mine)) {
                $this->keep($merged, $key, $below, $same($this->theirs) ? 'both' : 'theirs');
            } elseif ($same($this->theirs)) {
                $this->keep($merged, $key, $below, 'mine');
            } elseif ($this->mine->open[$below] && $this->theirs->open[$below]) {
                $merged[$key] = $this->merge($below, $was && isset($this->base->keys[$below]));
            } elseif ($this->is_same_change($below)) {
                $this->keep($merged, $key, $below, 'both');
            } else {
                $this->conflicts++;
                $this->keep($merged, $key, $below, 'mine');
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
            $this->conflicts += (int) $was;
            $this->keep($merged, $key, $below, 'mine');
        }
        return $merged;
    }

    private function keep(array &$merged, int|string $key, string $path, string $side): void
    {
        $this->kept[$path] = $side;
        $holder = $this->sides($side)[0]->holder($path);
        if (ReflectionReference::fromArrayElement($holder, $key)) {
            $merged[$key] = &$holder[$key];
        } else {
            $merged[$key] = $holder[$key];
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

    private function sides(string $side): array
    {
        return match ($side) {
            'mine' => [$this->mine],
            'theirs' => [$this->theirs],
            'both' => [$this->theirs, $this->mine],
        };
    }

    private function expected_reason(): string
    {
        $any = fn (string $what) => $this->base->$what || $this->mine->$what || $this->theirs->$what;
        if ($any('has_custom') && ($any('has_references') || $any('hides_references'))) {
            return 'CustomBesideReferences';
        }
        foreach ($this->kept as $unit => $side) {
            $whole = array_filter($this->sides($side), fn (View $view) => $this->is_whole((string) $unit, $view));
            if (!$whole) {
                return 'CrossingReference';
            }
        }
        return '';
    }

    /** Whether all that a kept element of one side names comes from that side, too, and not behind it. */
    private function is_whole(string $unit, View $view): bool
    {
        foreach ($view->within($unit) as $path) {
            foreach ($view->names[$path] as $target) {
                $found = false;
                foreach ($this->kept as $other => $side) {
                    if (View::is_within($target, (string) $other)) {
                        $found = in_array($view, $this->sides($side), true);
                    }
                    if ($found || $other === $unit) {
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
