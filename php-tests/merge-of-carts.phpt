--TEST--
Eight requests at the same time each put something into a cart: it holds all of it, and nothing that nobody put there
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

/**
 * What the session holds after eight requests that all began before the first of them ended, and how many conflicts the last
 * ones have counted.
 */
function eight_requests(string $id, array $before, string $each): array
{
    put($id, $before);
    $requests = array_map(fn (int $n): Process => Process::run(
        "const N = $n; say(start('$id')); hear(); $each say(with_warnings(session_write_close(...)));"
            . "say(Cloakroom\\status()['merge_conflicts']);",
        ['cloakroom.lock' => 'merge'],
    ), range(1, 8));
    $ends = [];
    $conflicts = 0;
    foreach ($requests as $request) {
        $ends[] = $request->hear();
    }
    foreach ($requests as $request) {
        $request->tell();
        $ends[] = $request->hear();
        $conflicts = max($conflicts, $request->hear());
    }
    same("$id: each request begins and ends", array_fill(0, 16, [true, '']), $ends);

    return [stored($id), $conflicts];
}

// A list of items, each with its options, as Easy Digital Downloads has it.
$item = fn (int $n): array => ['id' => 10 + $n, 'options' => ['price_id' => $n], 'quantity' => 1];
[$found, $conflicts] = eight_requests('list', ['edd_cart' => [$item(0)]], <<<'PHP'
    $_SESSION['edd_cart'][] = ['id' => 10 + N, 'options' => ['price_id' => N], 'quantity' => 1];
PHP);
check('the cart is a list', array_is_list($found['edd_cart']));
usort($found['edd_cart'], fn (array $one, array $other): int => $one['id'] <=> $other['id']);
same('of all items, each with its own options', array_map($item, range(0, 8)), $found['edd_cart']);
same('which is no conflict', 0, $conflicts);

[$found, $conflicts] = eight_requests('equal-items', ['edd_cart' => []], <<<'PHP'
    $_SESSION['edd_cart'][] = ['id' => 10, 'options' => [], 'quantity' => 1];
PHP);
same('eight of the same are eight', array_fill(0, 8, ['id' => 10, 'options' => [], 'quantity' => 1]), $found['edd_cart']);

// Half of them put something in and half of them take something out.
[$found, $conflicts] = eight_requests('out-and-in', ['edd_cart' => array_map($item, range(1, 8))], <<<'PHP'
    if (N % 2) {
        $_SESSION['edd_cart'][] = ['id' => 20 + N, 'options' => [], 'quantity' => 1];
    } else {
        $_SESSION['edd_cart'] = array_values(array_filter($_SESSION['edd_cart'], fn ($item) => $item['id'] !== 10 + N));
    }
PHP);
check('the cart is still a list', array_is_list($found['edd_cart']));
$ids = array_column($found['edd_cart'], 'id');
same('what was there and what came, in order', [11, 13, 15, 17], array_slice($ids, 0, 4));
sort($ids);
same('and all that came', [11, 13, 15, 17, 21, 23, 25, 27], $ids);

// Items by key, and totals that each request computes, as WooCommerce has them.
[$found, $conflicts] = eight_requests('keys', ['cart' => [], 'cart_totals' => ['subtotal' => 0, 'items' => 0]], <<<'PHP'
    $_SESSION['cart'][md5((string) N)] = ['product_id' => N, 'quantity' => 1, 'line_total' => 5];
    $_SESSION['cart_totals'] = ['subtotal' => 5 * N, 'items' => N];
PHP);
$products = array_column($found['cart'], 'product_id');
sort($products);
same('all items are there', range(1, 8), $products);
same('each under its own key', array_map(md5(...), array_column($found['cart'], 'product_id')), array_keys($found['cart']));
['subtotal' => $subtotal, 'items' => $items] = $found['cart_totals'];
same('the totals are those that one request computed', 5 * $items, $subtotal);
check('of which the others are conflicts', $conflicts > 0);

// Two log-ins at once.
[$found, $conflicts] = eight_requests('users', ['user' => null], <<<'PHP'
    $_SESSION['user'] = N % 2 ? ['id' => N, 'admin' => true, 'roles' => ['admin']] : ['id' => N];
PHP);
$who = $found['user'];
same('a user is as one request made it', isset($who['admin']), $who['id'] % 2 === 1);
same('with all that belongs to him', $who['id'] % 2 ? ['id', 'admin', 'roles'] : ['id'], array_keys($who));
done();
--EXPECT--
18 claims hold
