<?php
/*
 * Two processes that take one lock in turns: the one that holds it releases it when the other has waited for a while.
 *
 * Both, and the process that directs them, sleep while nothing is to be done, so that a machine with two processors
 * has one for the process that releases and one for the process that is woken.
 */

final class Pair
{
    /** How long any answer may take, in seconds. */
    private const BOUND = 20;

    /** @var list<resource> */
    private array $processes = [];
    /** @var list<array{resource, resource}> standard input and output of each process */
    private array $pipes = [];
    /** @var resource what the processes complain of */
    private $complaints;
    /** How many times the lock was taken. */
    private int $taken = 0;

    /** @param list<string> $command */
    public function __construct(array $command)
    {
        $this->complaints = tmpfile();
        foreach ([0, 1] as $which) {
            $this->processes[$which] = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], $this->complaints], $this->pipes[$which]);
        }
    }

    public function __destruct()
    {
        foreach ($this->processes as $which => $process) {
            fclose($this->pipes[$which][0]);
            // It ends with its input; one that waits for a lock would do so only later.
            proc_terminate($process, 9);
            proc_close($process);
        }
    }

    /**
     * Nanoseconds that so many hand-overs took. The waiter of each had waited for `settling` milliseconds and up to
     * `spread` more.
     *
     * @return list<int>
     */
    public function latencies(int $samples, int $settling, int $spread): array
    {
        $holder = 0;
        $this->tell($holder, 'take');
        $this->answer($holder);
        $latencies = [];
        // The first ones warm both processes up.
        for ($left = 3 * $samples + 10, $warm = -4; count($latencies) < $samples; $left--) {
            $left > 0 || throw new RuntimeException('most of the waiters came too late to wait');
            $waiter = 1 - $holder;
            $this->tell($waiter, 'take');
            usleep($settling * 1000 + random_int(0, $spread * 1000));
            $this->tell($holder, 'release');
            [$called, $released, $got] = $this->answer($waiter);
            $got >= $released || throw new RuntimeException('the lock was taken before it was released');
            $slept = $released - $called > $settling * 500_000;
            if ($slept && ++$warm > 0) {
                $latencies[] = $got - $released;
            }
            $holder = $waiter;
        }

        return $latencies;
    }

    private function tell(int $which, string $command): void
    {
        fwrite($this->pipes[$which][0], "$command\n");
    }

    /** @return array{int, int, int} when the lock was asked for, released by the other process, and got */
    private function answer(int $which): array
    {
        $output = $this->pipes[$which][1];
        $read = [$output];
        $none = [];
        $line = stream_select($read, $none, $none, self::BOUND) ? fgets($output) : false;
        $line === false && $this->fail('no answer within ' . self::BOUND . ' s');
        [$called, $released, $got, $times] = array_map(intval(...), explode(' ', $line));
        $times === ++$this->taken || $this->fail("the process that got the lock saw $times of $this->taken");

        return [$called, $released, $got];
    }

    /** Ends the round with what the processes said last, or with what was found. */
    private function fail(string $found): never
    {
        rewind($this->complaints);
        $said = trim(stream_get_contents($this->complaints));
        throw new RuntimeException($said === '' ? $found : "$found; $said");
    }
}
