<?php
/*
 * A decoded session as the merge sees it: which elements there are by path, what each is worth, and which values are one.
 */
declare(strict_types=1);

class View
{
    /** Path => whether it is an array that may be merged. */
    public array $open = [];
    /** Path => the keys in it, if it is an array. */
    public array $keys = [];
    /** Path => what tells its value, and what it is bound to, from all others. */
    public array $worth = [];
    /** Path => the paths, outside of its own value, of the elements with values that it names again. */
    public array $names = [];
    /** Path => the same, each as the place within its own value and the kind, the path, and the place within that value. */
    public array $bindings = [];
    public bool $has_references = false;
    public bool $has_custom = false;
    public bool $hides_references = false;

    public const CASE = 'case ';
    private const SEPARATOR = "\x1f";
    /** Identity => how often it occurs. */
    private array $times = [];
    /** Identity => path and place within its value where it occurs first. */
    private array $seen = [];

    public function __construct(public array $session)
    {
        // Which arrays are bound is known when all has been looked at.
        $this->look($session, '');
        $times = $this->times;
        foreach (['open', 'keys', 'worth', 'names', 'bindings', 'seen'] as $property) {
            $this->$property = [];
        }
        $this->look($session, '');
        $this->times = $times;
    }

    public static function below(string $path, int|string $key): string
    {
        return $path . self::SEPARATOR . (is_int($key) ? "i$key" : "s$key");
    }

    public static function is_within(string $path, string $outer): bool
    {
        return $path === $outer || str_starts_with($path, $outer . self::SEPARATOR);
    }

    /** The array that holds an element. */
    public function holder(string $path): array
    {
        $value = $this->session;
        foreach (array_slice(explode(self::SEPARATOR, $path), 1, -1) as $key) {
            $value = $value[$key[0] === 'i' ? (int) substr($key, 1) : substr($key, 1)];
        }
        return $value;
    }

    /** All paths at or below one. */
    public function within(string $outer): array
    {
        return array_filter(array_map(strval(...), array_keys($this->worth)), fn ($path) => self::is_within($path, $outer));
    }

    /** What tells whether two places hold one value: objects and references do. */
    public static function identity(array $holder, int|string $key): ?string
    {
        if (is_object($holder[$key])) {
            return 'o' . spl_object_id($holder[$key]);
        }
        $reference = ReflectionReference::fromArrayElement($holder, $key);
        return $reference ? 'r' . $reference->getId() : null;
    }

    private function look(array $array, string $path): string
    {
        $this->keys[$path] = array_keys($array);
        $worth = [];
        foreach ($this->keys[$path] as $key) {
            $below = self::below($path, $key);
            $this->worth[$below] = "around $below";
            $this->worth[$below] = $this->element($array, $key, $below);
            $worth[] = serialize($key) . $this->worth[$below];
        }
        return 'array ' . md5(implode(',', $worth));
    }

    private function element(array $holder, int|string $key, string $path): string
    {
        $this->open[$path] = false;
        $this->names[$path] = [];
        $this->bindings[$path] = [];
        $value = $holder[$key];
        if (!$this->is_first($holder, $key, $path, '')) {
            return 'again ' . md5($this->bound($path));
        }
        if (is_array($value)) {
            $identity = self::identity($holder, $key);
            $this->open[$path] = $identity === null || $this->times[$identity] < 2;
            return $this->look($value, $path);
        }
        $text = $this->inside($value, $path, '');
        return 'leaf ' . md5($text . $this->bound($path));
    }

    /** Looks at what a leaf holds, and writes it out as far as it is not elsewhere. */
    private function inside(mixed $value, string $path, string $place): string
    {
        if ($value instanceof Custom) {
            $this->has_custom = true;
            $this->hides_references = $this->hides_references || preg_match('/[Rr]:\d/', $value->serialize());
        }
        if ($value instanceof Custom || $value instanceof UnitEnum || !(is_object($value) || is_array($value))) {
            return serialize($value);
        }
        $members = match (true) {
            is_array($value) => $value,
            $value instanceof Sleeper => ['kept' => $value->kept],
            method_exists($value, '__serialize') => $value->__serialize(),
            default => (array) $value,
        };
        $text = is_array($value) ? 'array' : get_class($value);
        foreach (array_keys($members) as $key) {
            $below = self::below($place, $key);
            $is_first = $this->is_first($members, $key, $path, $below);
            $text .= $below . ($is_first ? $this->inside($members[$key], $path, $below) : $this->again($members, $key));
        }
        return $text;
    }

    private function is_first(array $holder, int|string $key, string $path, string $place): bool
    {
        $identity = self::identity($holder, $key);
        if ($identity === null) {
            return true;
        }
        $this->times[$identity] = ($this->times[$identity] ?? 0) + 1;
        if (!isset($this->seen[$identity])) {
            $this->seen[$identity] = [$path, $place];
            return true;
        }
        $this->has_references = true;
        [$target] = $this->seen[$identity];
        if ($target !== $path) {
            $this->names[$path][] = $target;
            $this->bindings[$path][] = [$place . ' ' . $this->kind($holder, $key), ...$this->seen[$identity]];
        }
        return false;
    }

    /** What is written of a value that was seen before. Equal enum cases are one wherever they are. */
    private function again(array $holder, int|string $key): string
    {
        [$target, $place] = $this->seen[self::identity($holder, $key)];
        return $this->kind($holder, $key) . " -> $target $place";
    }

    private function kind(array $holder, int|string $key): string
    {
        $kind = ReflectionReference::fromArrayElement($holder, $key) ? 'reference' : 'object';
        return ($holder[$key] instanceof UnitEnum ? self::CASE : '') . $kind;
    }

    /** What an element is bound to: the path, and what is there. */
    private function bound(string $path): string
    {
        $worths = array_map(fn ($target) => $this->worth[$target], $this->names[$path]);
        return implode(',', [...array_map(implode(...), $this->bindings[$path]), ...$worths]);
    }
}

/** An array written out in full, whatever is shared in it. */
function unfolded(array $members, array $around = []): string
{
    $text = '';
    foreach (array_keys($members) as $key) {
        $text .= '(' . serialize($key) . unfolded_member($members, $key, $around) . ')';
    }
    return $text;
}

function unfolded_member(array $holder, int|string $key, array $around): string
{
    $value = $holder[$key];
    if (is_float($value)) {
        return is_nan($value) ? 'float NAN' : 'float ' . bin2hex(pack('E', $value));
    }
    if (!is_array($value) && !is_object($value) || $value instanceof UnitEnum || $value instanceof Custom) {
        return serialize($value);
    }
    $identity = View::identity($holder, $key) ?? 'none ' . count($around);
    if (isset($around[$identity])) {
        return 'around ' . (count($around) - $around[$identity]);
    }
    $around[$identity] = count($around);
    return (is_object($value) ? get_class($value) : 'array') . unfolded((array) $value, $around);
}
