<?php
/*
 * What the cloakroom takes in, and the basket of things a visitor has handed over. The basket lives in the session
 * as a map from the thing's key to its number.
 */
declare(strict_types=1);

/** Key => name, price in cents, and the path of its drawing on a grid of 24 by 24. */
const THINGS = [
    'coat' => ['Winter coat', 250, 'M9 3h6l1.5 2.5L20 8l-1.5 5-2-1V21h-9v-9l-2 1L4 8l3.5-2.5zM12 6v15M9 3l3 3 3-3'],
    'hat' => ['Felt hat', 100, 'M3 17c2 2 16 2 18 0M6.500 16 8 7.500C8.300 6 10 6 12 7c2-1 3.700-1 4 .5L17.500 16M7 13.500c3 1 7 1 10 0'],
    'scarf' => ['Silk scarf', 100, 'M7 4c3 2 7 2 10 0l1 4c-4 2.500-8 2.500-12 0zM8 9v12h4V10M9 18v3M11 18v3M13 10l3 8 3-1-3-8'],
    'umbrella' => ['Umbrella', 150, 'M12 3v2M3 13a9 8 0 0 1 18 0c-1.500-1.300-4.500-1.300-6 0-1.500-1.300-4.500-1.300-6 0-1.500-1.300-4.500-1.300-6 0zM12 12v7a2 2 0 0 1-4 0'],
];

const MOST_OF_ONE = 9;

/** Adds one thing; false where there is no such thing or the visitor has enough of them. */
function hand_over(string $thing): bool
{
    $number = $_SESSION['basket'][$thing] ?? 0;
    if (!isset(THINGS[$thing]) || $number >= MOST_OF_ONE) {
        return false;
    }
    $_SESSION['basket'][$thing] = $number + 1;
    return true;
}

/** Takes one thing back; false where none is in the basket. */
function take_back(string $thing): bool
{
    if (!isset($_SESSION['basket'][$thing])) {
        return false;
    }
    if (--$_SESSION['basket'][$thing] === 0) {
        unset($_SESSION['basket'][$thing]);
    }
    return true;
}

/** The basket as rows of key, name, number and price, in the order of THINGS. */
function basket_rows(): array
{
    $rows = [];
    foreach (THINGS as $thing => [$name, $price]) {
        $number = $_SESSION['basket'][$thing] ?? 0;
        if ($number > 0) {
            $rows[] = ['thing' => $thing, 'name' => $name, 'number' => $number, 'price' => $number * $price];
        }
    }
    return $rows;
}

/** Cents as people write them. */
function money(int $cents): string
{
    return '€ ' . number_format($cents / 100, 2);
}
