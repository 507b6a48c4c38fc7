--TEST--
Flash data of Laravel and Symfony, written by requests that overlap: each message is shown once and then gone
--FILE--
<?php
require __DIR__ . '/session.inc';
$path = own_directory();
use_cloakroom($path);

/** A request as Laravel's Illuminate\Session\Store makes it: a read when it begins, a write when it ends, no lock between them. */
final class LaravelRequest
{
    private Cloakroom\SessionHandler $handler;
    public array $attributes;

    public function __construct(string $path, private string $id)
    {
        $this->handler = new Cloakroom\SessionHandler($path, 'merge');
        $this->attributes = unserialize($this->handler->read($id)) ?: [];
        $this->attributes['_flash'] ??= ['old' => [], 'new' => []];
    }

    public function flash(string $key, mixed $value): void
    {
        $this->attributes[$key] = $value;
        $this->attributes['_flash']['new'][] = $key;
        $this->attributes['_flash']['old'] = array_diff($this->attributes['_flash']['old'], [$key]);
    }

    public function end(): bool
    {
        foreach ($this->attributes['_flash']['old'] as $key) {
            unset($this->attributes[$key]);
        }
        $this->attributes['_flash']['old'] = $this->attributes['_flash']['new'];
        $this->attributes['_flash']['new'] = [];

        return $this->handler->write($this->id, serialize($this->attributes));
    }
}

$begin = fn (string $id) => new LaravelRequest($path, $id);
check('a first request', $begin('laravel')->end());
$requests = array_map(fn () => $begin('laravel'), range(1, 8));
foreach ($requests as $n => $request) {
    $request->flash("message-$n", $n);
}
same('eight requests flash a message each', array_fill(0, 8, true), array_map(fn ($request) => $request->end(), $requests));
$next = $begin('laravel');
$messages = array_filter($next->attributes, fn (string $key) => str_starts_with($key, 'message'), ARRAY_FILTER_USE_KEY);
ksort($messages);
same('the next one shows all of them', array_combine(array_map(fn ($n) => "message-$n", range(0, 7)), range(0, 7)), $messages);
check('and ends', $next->end());
same('afterwards all are gone', ['_flash' => ['old' => [], 'new' => []]], $begin('laravel')->attributes);

/** A request as Symfony makes it with its FlashBag: an empty bag, or a list of messages for each type. */
final class SymfonyRequest
{
    private Cloakroom\SessionHandler $handler;
    public array $session;

    public function __construct(string $path, private string $id)
    {
        $this->handler = new Cloakroom\SessionHandler($path, 'merge');
        $this->session = unserialize($this->handler->read($id)) ?: ['_sf2_attributes' => [], '_symfony_flashes' => []];
    }

    public function add(string $type, string $message): void
    {
        $this->session['_symfony_flashes'][$type][] = $message;
    }

    public function all(): array
    {
        $messages = $this->session['_symfony_flashes'];
        $this->session['_symfony_flashes'] = [];

        return $messages;
    }

    public function get(string $type): array
    {
        $messages = $this->session['_symfony_flashes'][$type] ?? [];
        unset($this->session['_symfony_flashes'][$type]);

        return $messages;
    }

    public function end(): bool
    {
        return $this->handler->write($this->id, serialize($this->session));
    }
}

$begin = fn (string $id) => new SymfonyRequest($path, $id);
$requests = array_map(fn () => $begin('symfony'), range(1, 8));
foreach ($requests as $n => $request) {
    $request->add('notice', "message $n");
    $request->session['_sf2_attributes']["visited/$n"] = true;
}
same('eight requests add a message each', array_fill(0, 8, true), array_map(fn ($request) => $request->end(), $requests));
$next = $begin('symfony');
$messages = $next->all();
sort($messages['notice']);
same('the next one shows all of them', ['notice' => array_map(fn ($n) => "message $n", range(0, 7))], $messages);
same('and there are all attributes', 8, count($next->session['_sf2_attributes']));
check('it ends', $next->end());
same('afterwards all are gone', [], $begin('symfony')->all());

// One shows what is there while another adds to it; whoever ends last.
foreach (['the one that shows' => 0, 'the one that adds' => 1] as $last => $adds_last) {
    foreach (['all', 'get'] as $way) {
        $id = "symfony-$adds_last-$way";
        $first = $begin($id);
        $first->add('notice', 'old');
        $first->end();
        [$shows, $adds] = [$begin($id), $begin($id)];
        $way === 'all' ? $shows->all() : $shows->get('notice');
        $adds->add('notice', 'new');
        foreach ($adds_last ? [$shows, $adds] : [$adds, $shows] as $request) {
            $request->end();
        }
        same("$way, $last ends last: what was shown is gone, the other is there", ['notice' => ['new']], $begin($id)->all());
    }
}
$status = Cloakroom\status();
same('nothing of all this was a conflict', [0, 0], [$status['merge_conflicts'], $status['merge_fallbacks']]);
done();
--EXPECT--
15 claims hold
