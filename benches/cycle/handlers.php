<?php
/*
 * The handlers that are compared: what each needs to run and how it is configured.
 *
 * Each competitor gets the configuration that suits it best: connections stay open between cycles, servers listen on
 * Unix sockets and write nothing to disk.
 */

final class Handler
{
    /**
     * @param list<string> $extensions what to load, in order: a name or a path
     * @param array<string, string> $ini what to set, session.save_handler included
     */
    public function __construct(
        public readonly string $name,
        public readonly string $label,
        public readonly array $extensions,
        public readonly array $ini,
        /** Why it cannot run here, or null. */
        public readonly ?string $missing = null,
        /** Whether its sessions outlive the process. */
        public readonly bool $shared = true,
        /** The only payload that it is measured with, or null: who is far away takes milliseconds for each cycle. */
        public readonly ?int $payload = null,
    ) {
    }

    /** The php command that runs a script under this handler. */
    public function command(): array
    {
        // -n: the figures must not depend on what this machine's php.ini loads.
        $command = [PHP_BINARY, '-n'];
        foreach ($this->extensions as $extension) {
            array_push($command, '-d', "extension=$extension");
        }
        $ini = $this->ini + [
            'session.use_cookies' => '0',
            'session.use_strict_mode' => '0',
            'session.cache_limiter' => '',
            'session.gc_probability' => '0',
            'memory_limit' => '512M',
            'display_errors' => 'stderr',
        ];
        foreach ($ini as $name => $value) {
            // Quoted: a save_path may hold characters that mean something in ini files.
            array_push($command, '-d', "$name=\"$value\"");
        }

        return $command;
    }
}

/**
 * All handlers, the floor first. The places come from the environment that benches/run prepares; an empty one means
 * that it could not be prepared.
 *
 * @return list<Handler>
 */
function all_handlers(): array
{
    $floor = (string) getenv('BENCH_FLOOR');
    $cloakroom = (string) getenv('BENCH_CLOAKROOM');
    $tmpfs = (string) getenv('BENCH_TMPFS');
    $disk = (string) getenv('BENCH_DISK');
    $redis = (string) getenv('BENCH_REDIS');
    $distant = (string) getenv('BENCH_REDIS_DISTANT');
    $memcached = (string) getenv('BENCH_MEMCACHED');

    $no_tmpfs = $tmpfs === '' ? 'no tmpfs with room was found' : null;
    $no_server = $redis === '' ? 'no redis-server' : null;
    $no_redis = $no_server ?? (getenv('BENCH_PHPREDIS') ? null : 'no phpredis extension');
    $no_memcached = $memcached === '' ? 'no memcached server or no memcached extension' : null;

    $handlers = [new Handler('floor', 'floor: keeps the bytes, no more', [$floor], ['session.save_handler' => 'floor'], shared: false)];
    foreach (['tmpfs' => [$tmpfs, $no_tmpfs], 'disk' => [$disk, null]] as $medium => [$place, $missing]) {
        $handlers[] = new Handler("cloakroom-$medium", "cloakroom, $medium", [$cloakroom], [
            'session.save_handler' => 'cloakroom',
            'session.save_path' => "$place/cloakroom",
            'cloakroom.size' => '4G',
        ], $missing);
    }
    foreach (['tmpfs' => [$tmpfs, $no_tmpfs], 'disk' => [$disk, null]] as $medium => [$place, $missing]) {
        $handlers[] = new Handler("files-$medium", "files, $medium", [], [
            'session.save_handler' => 'files',
            'session.save_path' => "$place/files",
        ], $missing);
    }
    // Each on the server itself and over a connection that adds a millisecond to every round trip.
    foreach (['' => [$redis, null], '-distant' => [$distant, 1024]] as $place => [$address, $payload]) {
        $label = $place === '' ? '' : ', 1 ms away';
        $handlers[] = new Handler("cloakroom-redis$place", "cloakroom, Redis$label", [$cloakroom], [
            'session.save_handler' => 'cloakroom',
            'session.save_path' => ($place === '' ? 'redis+unix://' : 'redis://') . $address,
        ], $no_server, payload: $payload);
        foreach (['unlocked' => '0', 'locked' => '1'] as $kind => $locking) {
            $handlers[] = new Handler("redis-$kind$place", ($locking ? 'phpredis, locking on' : 'phpredis, no lock (default)') . $label, ['igbinary', 'redis'], [
                'session.save_handler' => 'redis',
                'session.save_path' => ($place === '' ? 'unix://' : 'tcp://') . "$address?persistent=1",
                'redis.session.locking_enabled' => $locking,
            ], $no_redis, payload: $payload);
        }
    }
    $handlers[] = new Handler('memcached', 'php-memcached, locks (default)', ['igbinary', 'msgpack', 'memcached'], [
        'session.save_handler' => 'memcached',
        'session.save_path' => $memcached,
        'memcached.sess_persistent' => '1',
    ], $no_memcached);

    return $handlers;
}
