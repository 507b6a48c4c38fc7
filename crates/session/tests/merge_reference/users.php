<?php
/* Whose session it is, after the rules in crates/session/src/merge/mod.rs, for sessions in which nothing is shared. */
declare(strict_types=1);

class Users
{
    private const UNTOLD = null;
    private const NOBODY = '';

    public function __construct(private string $paths)
    {
    }

    /** What is stored instead of a merge of three sessions: "mine" where users would be mixed, nothing where not. */
    public function instead(array $base, array $mine, array $theirs, array $merged): ?array
    {
        [$was, $my, $their, $result] = array_map($this->of(...), [$base, $mine, $theirs, $merged]);
        if (in_array(self::UNTOLD, [$was, $my, $their], true)) {
            [$was, $my, $their] = array_map($this->variables(...), [$base, $mine, $theirs]);
            return $my !== $was && $their !== $was && $my !== $their ? $mine : null;
        }
        $is_mixed = $my !== $was && $result !== $my || $their !== $was && $result !== $their;
        return $is_mixed ? $mine : null;
    }

    private function of(array $session): ?string
    {
        foreach ($this->names() as $names) {
            $reached = [$session];
            $untold = false;
            foreach ($names as $name) {
                $next = [];
                foreach ($reached as $value) {
                    if (!is_array($value)) {
                        $untold = $untold || self::id($value) === self::UNTOLD;
                        continue;
                    }
                    foreach ($value as $key => $inner) {
                        if (self::means($name, $key)) {
                            $next[] = $inner;
                        }
                    }
                }
                $reached = $next;
            }
            $ids = array_map(self::id(...), $reached);
            if ($untold || in_array(self::UNTOLD, $ids, true)) {
                return self::UNTOLD;
            }
            $somebody = array_filter($ids, fn (string $id) => $id !== self::NOBODY);
            if ($somebody) {
                return current($somebody);
            }
        }
        return self::NOBODY;
    }

    /** A star stands for a whole name here. */
    private static function means(string $name, int|string $key): bool
    {
        return $name === '*' || $name === (string) $key;
    }

    private static function id(mixed $value): ?string
    {
        return match (true) {
            $value === null, $value === false => self::NOBODY,
            is_int($value), is_string($value) => (string) $value,
            default => self::UNTOLD,
        };
    }

    private function variables(array $session): string
    {
        $begin = fn (int|string $key) => array_filter($this->names(), fn (array $names) => self::means($names[0], $key));
        return serialize(array_filter($session, $begin, ARRAY_FILTER_USE_KEY));
    }

    private function names(): array
    {
        $paths = array_filter(explode(',', $this->paths), strlen(...));
        return array_map(fn (string $path) => explode('.', trim($path)), $paths);
    }
}
