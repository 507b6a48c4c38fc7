<?php
/*
 * The page of the same name, in a directory with a lock mode of its own.
 */
declare(strict_types=1);

require dirname(__DIR__) . '/mode.php';
