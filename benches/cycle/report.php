<?php
/*
 * What the figures of a run say: a table for each payload, the machine, the targets and the places where Cloakroom is
 * the slower one.
 */
require_once __DIR__ . '/../text.php';

final class Report
{
    /**
     * @param array<int, array<string, Figures>> $results by payload size and handler name
     * @param array<string, string> $machine facts about the machine
     */
    public function __construct(private readonly array $results, private readonly array $machine, private readonly Text $text)
    {
    }

    public function print(): void
    {
        $this->text->heading('PHP session cycle: session_start() + change one key + session_write_close()');
        $this->text->facts($this->machine);
        foreach ($this->results as $bytes => $rows) {
            $this->text->heading('Payload ' . size_label($bytes));
            $this->table($rows);
        }
        echo "\nMicroseconds a cycle, one process, 100 sessions in rotation. median: of the rounds' medians, which lie\n"
            . "between those under \"rounds\". p99: of single cycles. first 100: a process that has just started.\n";
        $this->text->list('Targets (1 KB)', $this->targets());
        $this->text->list('Where Cloakroom is slower', $this->losses());
    }

    /** @param array<string, Figures> $rows */
    private function table(array $rows): void
    {
        $floor = $rows['floor'] ?? null;
        $cloakroom = $rows['cloakroom-tmpfs'] ?? null;
        $lines = [['handler', 'median', 'rounds', 'p99', '× floor', '× cloakroom, tmpfs', 'first 100']];
        foreach ($rows as $row) {
            $lines[] = [
                $row->handler->label,
                micro($row->median()),
                micro($row->fastest()) . '–' . micro($row->slowest()),
                micro($row->p99()),
                $floor ? ratio($row->median() / $floor->median()) : '',
                $cloakroom ? ratio($row->median() / $cloakroom->median()) : '',
                $row->first() === null ? '' : micro($row->first()),
            ];
        }
        $this->text->table($lines);
    }

    /** @return list<string> */
    private function targets(): array
    {
        $rows = $this->results[1024] ?? [];
        $cloakroom = $rows['cloakroom-tmpfs'] ?? null;
        if (!$cloakroom) {
            return ['not measured'];
        }
        $targets = [];
        if (isset($rows['floor'])) {
            $times = $cloakroom->median() / $rows['floor']->median();
            $targets[] = verdict($times <= 2) . ': at most 2 times the floor (' . ratio($times) . ')';
        }
        foreach (['files-tmpfs' => 10, 'redis-locked' => 100] as $name => $wanted) {
            if (isset($rows[$name])) {
                $times = $rows[$name]->median() / $cloakroom->median();
                $targets[] = verdict($times >= $wanted) . ": at least $wanted times faster than {$rows[$name]->handler->label} (" . ratio($times) . ')';
            }
        }
        if (isset($rows['cloakroom-redis'], $rows['redis-locked'])) {
            $times = $rows['redis-locked']->median() / $rows['cloakroom-redis']->median();
            $targets[] = verdict($times >= 2) . ': on Redis at least 2 times faster than phpredis, locking on (' . ratio($times) . ')';
        }

        return $targets;
    }

    /**
     * Every figure of another handler (but the floor, which no handler can beat) that is better than Cloakroom's.
     *
     * @return list<string>
     */
    private function losses(): array
    {
        $losses = [];
        $compared = false;
        foreach ($this->results as $bytes => $rows) {
            foreach (['cloakroom-tmpfs', 'cloakroom-disk', 'cloakroom-redis', 'cloakroom-redis-distant'] as $ours) {
                foreach ($rows as $name => $other) {
                    if (!isset($rows[$ours]) || $name === 'floor' || str_starts_with($name, 'cloakroom')) {
                        continue;
                    }
                    // A server that several machines share is compared with such a server, at the same distance.
                    $remote = str_starts_with($ours, 'cloakroom-redis');
                    if ($remote && (str_starts_with($name, 'files') || str_ends_with($name, '-distant') !== str_ends_with($ours, '-distant'))) {
                        continue;
                    }
                    $compared = true;
                    foreach (['median' => 'median', 'p99' => 'p99', 'first' => 'first 100'] as $figure => $words) {
                        $mine = $rows[$ours]->$figure();
                        $theirs = $other->$figure();
                        if ($theirs !== null && $mine !== null && $theirs < $mine) {
                            $losses[] = sprintf('%s, %s: %s takes %s, %s takes %s', size_label($bytes), $words, $rows[$ours]->handler->label, micro($mine), $other->handler->label, micro($theirs));
                        }
                    }
                }
            }
        }

        return $losses ?: [$compared ? 'nowhere in these figures (the floor apart)' : 'not measured'];
    }
}

function size_label(int $bytes): string
{
    return $bytes < 1024 ? "$bytes B" : intdiv($bytes, 1024) . ' KB';
}
