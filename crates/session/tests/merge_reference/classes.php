<?php
/* The classes that generated sessions hold. */
declare(strict_types=1);

enum Suit: string
{
    case Hearts = 'H';
    case Spades = 'S';
}

class Plain
{
    public mixed $open = 1;
    protected mixed $guarded = [1, 2];
    private mixed $hidden = null;

    public function hide(mixed $value): void
    {
        $this->hidden = $value;
    }
}

/** Has __serialize. */
class Magic
{
    public mixed $kept = null;

    public function __serialize(): array
    {
        return ['kept' => $this->kept, 7 => [true]];
    }

    public function __unserialize(array $data): void
    {
        $this->kept = $data['kept'];
    }
}

/** Has __sleep and __wakeup. */
class Sleeper
{
    public mixed $kept = null;
    public mixed $lost = 'not serialized';

    public function __sleep(): array
    {
        return ['kept'];
    }

    public function __wakeup(): void
    {
        $this->lost = 'woken';
    }
}

/** Is written as C:. */
class Custom implements Serializable
{
    public function __construct(public mixed $kept = null)
    {
    }

    public function serialize(): ?string
    {
        return serialize($this->kept);
    }

    public function unserialize(string $data): void
    {
        $this->kept = unserialize($data);
    }
}

class NowhereHandler implements SessionHandlerInterface
{
    public function open(string $path, string $name): bool
    {
        return true;
    }

    public function close(): bool
    {
        return true;
    }

    public function read(string $id): string
    {
        return '';
    }

    public function write(string $id, string $data): bool
    {
        return true;
    }

    public function destroy(string $id): bool
    {
        return true;
    }

    public function gc(int $max_lifetime): int
    {
        return 0;
    }
}
