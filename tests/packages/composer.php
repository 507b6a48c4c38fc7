<?php
/*
 * Checks composer.json: that it is what Composer and PIE accept, and that it agrees with the rest of the project.
 *
 *     php -n composer.php FILE
 */
declare(strict_types=1);

$top = dirname(realpath($argv[1]));
$json = json_decode(file_get_contents($argv[1]), true, flags: JSON_THROW_ON_ERROR);
$extension = $json['php-ext'] ?? [];
$manifest = file_get_contents("$top/Cargo.toml");
preg_match('/^license = "(.*)"$/m', $manifest, $license);
preg_match('/^description = "(.*)"$/m', $manifest, $description);

$wrong = array_keys(array_filter([
    'name' => !preg_match('#^[a-z0-9]([_.-]?[a-z0-9]+)*/[a-z0-9](([_.]|-{1,2})?[a-z0-9]+)*$#', $json['name'] ?? ''),
    'type' => ($json['type'] ?? '') !== 'php-ext',
    'license, which is that of Cargo.toml' => implode(' OR ', (array) ($json['license'] ?? [])) !== $license[1],
    'description, which is that of Cargo.toml' => ($json['description'] ?? '') !== $description[1],
    'version, which the tag gives' => isset($json['version']),
    'require.php' => !preg_match('/^>=8\.2 /', $json['require']['php'] ?? ''),
    'require.ext-session' => ($json['require']['ext-session'] ?? '') !== '*',
    'extension-name' => !preg_match('/^[A-Za-z][a-zA-Z0-9_]+$/', $extension['extension-name'] ?? ''),
    'priority' => !is_int($extension['priority'] ?? null) || $extension['priority'] < 0 || $extension['priority'] > 99,
    'support-zts' => ($extension['support-zts'] ?? null) !== true,
    'support-nts' => ($extension['support-nts'] ?? null) !== true,
    'os-families' => ($extension['os-families'] ?? null) !== ['linux'],
    'build-path' => !is_file("$top/" . ($extension['build-path'] ?? '') . '/config.m4'),
    'fields that PIE does not know' => array_diff(array_keys($extension), ['extension-name', 'priority', 'support-zts',
        'support-nts', 'os-families', 'os-families-exclude', 'build-path', 'configure-options', 'download-url-method']),
]));
if ($wrong) {
    fwrite(STDERR, "wrong in composer.json: " . implode("; ", $wrong) . "\n");
    exit(1);
}
