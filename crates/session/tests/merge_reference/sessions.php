<?php
/* Sessions at random, and what requests do to them. */
declare(strict_types=1);

class Maker
{
    public function __construct(private string $format, private bool $shares)
    {
    }

    public function session(): array
    {
        $session = [];
        for ($left = mt_rand(0, 6); $left > 0; $left--) {
            $session[$this->variable()] = $this->value(3);
        }
        for ($left = $this->shares ? mt_rand(0, 3) : 0; $left > 0; $left--) {
            $this->share($session);
        }
        return $session;
    }

    /** What one request does. */
    public function change(array &$session): void
    {
        for ($left = mt_rand(0, 4); $left > 0; $left--) {
            match (mt_rand(0, 9)) {
                0, 1 => $session[$this->variable()] = $this->value(2),
                2 => $this->drop($session),
                3 => $session = array_reverse($session, true),
                4 => $this->shares ? $this->share($session) : $this->touch($session),
                default => $this->touch($session),
            };
        }
    }

    /** Changes something somewhere inside. */
    private function touch(array &$session): void
    {
        $place = &$session;
        $is_top = true;
        while (is_array($place) && $place && mt_rand(0, 4)) {
            $key = array_rand($place);
            $place = &$place[$key];
            $is_top = false;
        }
        if (is_object($place) && !$place instanceof UnitEnum) {
            match (true) {
                $place instanceof Plain && mt_rand(0, 1) => $place->hide($this->value(1)),
                $place instanceof Plain => $place->open = $this->value(1),
                $place instanceof DateTime => $place->modify('+1 day'),
                $place instanceof stdClass => $place->{'p' . mt_rand(0, 2)} = $this->value(1),
                default => $place->kept = $this->value(0),
            };
            return;
        }
        if (!is_array($place)) {
            $place = $this->value(1);
            return;
        }
        match ($is_top ? 0 : mt_rand(0, array_is_list($place) ? 6 : 3)) {
            0 => $place[$is_top ? $this->variable() : $this->key()] = $this->value(1),
            1 => $place[isset($place[PHP_INT_MAX]) ? 'full' : max([-1, ...array_filter(array_keys($place), is_int(...))]) + 1]
                = $this->value(0),
            2 => $this->drop($place),
            3 => krsort($place),
            4, 5 => array_splice($place, mt_rand(0, count($place)), mt_rand(0, 1), [$this->value(1)]),
            6 => array_splice($place, mt_rand(0, count($place)), 1),
        };
    }

    private function drop(array &$array): void
    {
        if ($array) {
            unset($array[array_rand($array)]);
        }
    }

    /** Puts one value in two places, as an object or by reference. */
    private function share(array &$session): void
    {
        $from = &$this->place($session);
        $to = &$session[$this->variable()];
        if (mt_rand(0, 2) === 0 && is_array($to)) {
            $to = &$to[$this->key()];
        }
        if (is_object($from) && mt_rand(0, 3)) {
            $to = $from;
            return;
        }
        // Binding $to itself would only turn this variable to the other value.
        $names = array_keys($session);
        $name = $names[array_rand($names)];
        if (is_array($session[$name]) && mt_rand(0, 1)) {
            $session[$name][$this->key()] = &$from;
        } else {
            $session[$name] = &$from;
        }
    }

    private function &place(array &$session): mixed
    {
        if (!$session) {
            $session[$this->variable()] = $this->value(1);
        }
        $place = &$session[array_rand($session)];
        while (is_array($place) && $place && mt_rand(0, 1)) {
            $place = &$place[array_rand($place)];
        }
        return $place;
    }

    /** A name that the format can hold. */
    private function variable(): int|string
    {
        $names = ['a', 'b', 'c', 'd', '_sf2_attributes', 'user', '', 'a!b', '!c', "n\0l", 'ü', '-1x'];
        if ($this->format === 'php_serialize') {
            array_push($names, 0, 7, -3, '07', 'p|q', PHP_INT_MIN);
        }
        return $names[mt_rand(0, 2) ? mt_rand(0, 5) : array_rand($names)];
    }

    private function key(): int|string
    {
        $keys = [0, 1, 2, 'k', 'l', '', '-0', '01', '12', -1, PHP_INT_MAX, PHP_INT_MIN, '9223372036854775808', 'a"b;', '1e3', ' 1'];
        return $keys[mt_rand(0, 2) ? mt_rand(0, 4) : array_rand($keys)];
    }

    private function value(int $depth): mixed
    {
        if ($depth > 0 && mt_rand(0, 2) === 0) {
            return $this->items($depth);
        }
        if ($depth > 0 && mt_rand(0, 3) === 0) {
            return $this->object($depth);
        }
        $scalars = [
            null, true, false, 0, 1, 2, -7, PHP_INT_MAX, PHP_INT_MIN, 0.1, -0.0, NAN, INF, -INF, 1.0e100, -2.5e-7, 1e15,
            '', 'x', 'y', '";i:5;}', "\0", 'R:1;', 'ß', str_repeat('long ', 40),
        ];
        return $scalars[array_rand($scalars)];
    }

    private function items(int $depth): array
    {
        $array = [];
        $is_list = mt_rand(0, 1) === 0;
        for ($left = mt_rand(0, mt_rand(0, 19) ? 4 : 40); $left > 0; $left--) {
            $array[$is_list ? count($array) : ($left > 4 ? "k$left" : $this->key())] = $this->value($depth - 1);
        }
        return $array;
    }

    private function object(int $depth): object
    {
        // A C: object in many sessions with references would leave few to merge.
        $object = match (mt_rand(0, $this->shares && mt_rand(0, 9) ? 6 : 7)) {
            0 => new stdClass(),
            1 => new Plain(),
            2 => new Magic(),
            3 => new Sleeper(),
            4 => Suit::Hearts,
            5 => Suit::Spades,
            6 => new DateTime('2001-02-03 04:05:06.5 UTC'),
            7 => new Custom(mt_rand(0, 1) ? 'word' : [1.5, 'R']),
        };
        if ($object instanceof Plain) {
            $object->hide($this->value($depth - 1));
        } elseif ($object instanceof stdClass) {
            foreach (['p0', '5', ''] as $property) {
                if (mt_rand(0, 1)) {
                    $object->$property = $this->value($depth - 1);
                }
            }
            if ($this->shares && mt_rand(0, 3) === 0) {
                $object->self = mt_rand(0, 1) ? $object : [$object, new Plain()];
            }
        } elseif ($object instanceof Magic || $object instanceof Sleeper) {
            $object->kept = $this->value($depth - 1);
        }
        return $object;
    }
}
