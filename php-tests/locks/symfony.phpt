--TEST--
Symfony's session storage: migrate(true) keeps requests on their way logged in, invalidate() does not
--SKIPIF--
<?php is_file('/usr/share/php/Symfony/Component/HttpFoundation/autoload.php') || die('skip php-symfony-http-foundation is not installed');
--FILE--
<?php
require __DIR__ . '/handlers_and_modes.inc';
require '/usr/share/php/Symfony/Component/HttpFoundation/autoload.php';

use Symfony\Component\HttpFoundation\Session\Session;
use Symfony\Component\HttpFoundation\Session\Storage\NativeSessionStorage;
use Symfony\Component\HttpFoundation\Session\Storage\Proxy\SessionHandlerProxy;

/** A request of a visitor with that id, as Symfony begins it. */
function visit(string $handler, string $id): Session
{
    $storage = new NativeSessionStorage(['use_cookies' => '0', 'cache_limiter' => ''], match ($handler) {
        'native' => new SessionHandlerProxy(new SessionHandler()),
        'class' => new Cloakroom\SessionHandler(),
        'class, in a proxy' => new SessionHandlerProxy(new Cloakroom\SessionHandler()),
    });
    $session = new Session($storage);
    $session->setId($id);
    $session->start();

    return $session;
}

/** Who is logged in, as a request with that id finds. */
function user(string $handler, string $id): ?string
{
    $session = visit($handler, $id);
    $user = $session->get('user');
    $session->save();

    return $user;
}

// A proxy of Symfony asks once which handler PHP's own class leads to.
use_cloakroom($store = own_directory());
foreach (['native', 'class', 'class, in a proxy'] as $handler) {
    foreach (MODES as $mode) {
        ini_set('session.save_handler', 'cloakroom');
        ini_set('cloakroom.lock', $mode);
        $where = "$handler, $mode";

        $session = visit($handler, session_create_id());
        $session->set('user', 'ada');
        $session->save();
        $old = $session->getId();
        same("$where: the user is logged in", 'ada', user($handler, $old));

        $session = visit($handler, $old);
        $session->set('again', true);
        same("$where: the id is changed", true, $session->migrate(true));
        $new = $session->getId();
        $session->save();
        check("$where: to another one", $new !== $old);
        same("$where: a request with the old id finds what was stored under it", 'ada', user($handler, $old));
        same("$where: one with the new id finds all", 'ada', user($handler, $new));

        $session = visit($handler, $new);
        same("$where: the session is ended", true, $session->invalidate());
        $empty = $session->getId();
        $session->save();
        same("$where: nobody is logged in under the old id any more", null, user($handler, $new));
        same("$where: nor under the new one", null, user($handler, $empty));
    }
}
done();
--EXPECT--
72 claims hold
