<?php
/*
 * Figures as text: aligned tables for a terminal, or markdown for a README.
 */

final class Text
{
    public function __construct(private readonly bool $markdown)
    {
    }

    public function heading(string $text): void
    {
        echo $this->markdown ? "\n**$text**\n\n" : "\n$text\n";
    }

    /** @param array<string, string> $facts */
    public function facts(array $facts): void
    {
        foreach ($facts as $name => $value) {
            echo $this->markdown ? "- $name: $value\n" : sprintf("  %-10s %s\n", $name, $value);
        }
    }

    /** @param list<string> $items */
    public function list(string $heading, array $items): void
    {
        $this->heading($heading);
        foreach ($items as $item) {
            echo $this->markdown ? "- $item\n" : "  $item\n";
        }
    }

    /** @param list<list<string>> $lines the first one is the heading */
    public function table(array $lines): void
    {
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

/** The middle of the values. */
function median(array $values): float
{
    sort($values);
    $half = intdiv(count($values), 2);

    return count($values) % 2 ? $values[$half] : ($values[$half - 1] + $values[$half]) / 2;
}

/** Says on a terminal how far a run is. */
function progress(string $text): void
{
    if (stream_isatty(STDERR)) {
        fwrite(STDERR, "\r\e[K$text");
    }
}
