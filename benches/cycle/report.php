<?php
/*
 * Turns the figures of a run into text: aligned tables for a terminal, markdown for a README, and in both the
 * machine, the targets and the places where Cloakroom is the slower one.
 */

final class Report
{
    /**
     * @param array<int, array<string, Figures>> $results by payload size and handler name
     * @param array<string, string> $machine facts about the machine
     */
    public function __construct(private readonly array $results, private readonly array $machine, private readonly bool $markdown)
    {
    }

    public function print(): void
    {
        $this->heading('PHP session cycle: session_start() + change one key + session_write_close()');
        foreach ($this->machine as $name => $value) {
            echo $this->markdown ? "- $name: $value\n" : sprintf("  %-10s %s\n", $name, $value);
        }
        foreach ($this->results as $bytes => $rows) {
            $this->heading('Payload ' . size_label($bytes));
            $this->table($rows);
        }
        echo "\nMicroseconds a cycle, one process, 100 sessions in rotation. median: of the rounds' medians, which lie\n"
            . "between those under \"rounds\". p99: of single cycles. first 100: a process that has just started.\n";
        $this->list('Targets (1 KB)', $this->targets());
        $this->list('Where Cloakroom is slower', $this->losses());
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
        $this->markdown ? $this->markdown_table($lines) : $this->aligned_table($lines);
    }

    /** @param list<list<string>> $lines */
    private function markdown_table(array $lines): void
    {
        array_splice($lines, 1, 0, [array_merge(['---'], array_fill(0, count($lines[0]) - 1, '---:'))]);
        foreach ($lines as $line) {
            echo '| ' . implode(' | ', $line) . " |\n";
        }
    }

    /** @param list<list<string>> $lines */
    private function aligned_table(array $lines): void
    {
        $widths = array_map(null, ...array_map(fn (array $line) => array_map(text_width(...), $line), $lines));
        foreach ($lines as $line) {
            foreach ($line as $column => $text) {
                $gap = str_repeat(' ', max($widths[$column]) - text_width($text));
                echo $column === 0 ? "  $text$gap" : "  $gap$text";
            }
            echo "\n";
        }
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
            foreach (['cloakroom-tmpfs', 'cloakroom-disk'] as $ours) {
                foreach ($rows as $name => $other) {
                    if (!isset($rows[$ours]) || $name === 'floor' || str_starts_with($name, 'cloakroom')) {
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

    private function heading(string $text): void
    {
        echo $this->markdown ? "\n**$text**\n\n" : "\n$text\n";
    }

    /** @param list<string> $items */
    private function list(string $heading, array $items): void
    {
        $this->heading($heading);
        foreach ($items as $item) {
            echo $this->markdown ? "- $item\n" : "  $item\n";
        }
    }
}

function size_label(int $bytes): string
{
    return $bytes < 1024 ? "$bytes B" : intdiv($bytes, 1024) . ' KB';
}

/** Nanoseconds as microseconds, with as many digits as mean something. */
function micro(float $ns): string
{
    $us = $ns / 1000;

    return number_format($us, $us < 10 ? 2 : ($us < 100 ? 1 : 0), '.', ',');
}

function ratio(float $times): string
{
    return number_format($times, $times < 10 ? 2 : ($times < 100 ? 1 : 0), '.', ',');
}

function verdict(bool $met): string
{
    return $met ? 'met' : 'MISSED';
}

/** Columns that the text takes: characters, not bytes. */
function text_width(string $text): int
{
    return preg_match_all('/./us', $text);
}
