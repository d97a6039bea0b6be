<?php
// webhook.php

const LARGEST = 64 * 1024; // bytes of a body
const TOLERANCE = 5 * 60; // seconds between two clocks
const REMEMBERED = 30 * 86400; // seconds

// verify returns the event, or throws. A TypeError is a mistake in this backend.
// $secrets is one secret, or two with a space between them. $server is $_SERVER.
function verify(string $secrets, array $server, mixed $body): array
{
    if (!is_string($body) || $body === '') {
        throw new TypeError('verify needs the raw body, and this body was parsed or is empty. Use file_get_contents(\'php://input\'). '
            . 'In Laravel and Symfony, use $request->getContent().');
    }
    $keys = array_map(fn ($one) => base64_decode(preg_replace('/^whsec_/', '', $one), true), explode(' ', $secrets));
    foreach ($keys as $key) {
        if ($key === false || strlen($key) < 24) {
            throw new TypeError('WEBHOOK_SECRET has no secret: it needs whsec_… of this endpoint.');
        }
    }
    $id = $server['HTTP_WEBHOOK_ID'] ?? '';
    $timestamp = $server['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    $signatures = $server['HTTP_WEBHOOK_SIGNATURE'] ?? '';
    if ($id === '' || $timestamp === '' || $signatures === '') {
        throw new RuntimeException('A header of the signature is missing.');
    }
    if (!preg_match('/^[0-9]{1,12}$/D', $timestamp) || abs(time() - (int) $timestamp) > TOLERANCE) {
        throw new RuntimeException('The timestamp is more than 5 minutes away.');
    }
    $matches = false;
    foreach ($keys as $key) {
        $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
        foreach (explode(' ', $signatures) as $one) {
            $matches = hash_equals($expected, $one) || $matches;
        }
    }
    if (!$matches) {
        throw new RuntimeException('No signature matches: is WEBHOOK_SECRET of this endpoint, and is the body unchanged?');
    }
    return json_decode($body, true, 32, JSON_THROW_ON_ERROR);
}

// once is true for the first caller with this id. It keeps one small file for each id; a site with a database has a
// table with a unique id instead.
function once(string $id): bool
{
    $folder = __DIR__ . '/seen';
    @mkdir($folder, 0700);
    $first = @fopen("$folder/" . hash('sha256', $id), 'x');
    if (random_int(1, 100) === 1) {
        foreach (glob("$folder/*") as $old) {
            if (filemtime($old) < time() - REMEMBERED) {
                @unlink($old);
            }
        }
    }
    return $first !== false;
}

// receive returns the status and the text of the answer to a delivery. It acts once on each id.
function receive(array $server, mixed $body): array
{
    try {
        $event = verify(getenv('WEBHOOK_SECRET') ?: '', $server, $body);
    } catch (TypeError | RuntimeException | JsonException $mistake) {
        error_log('webhook: ' . $mistake->getMessage());
        // Timbre sends again after 500, when your mistake is corrected. It does not after 400.
        return [$mistake instanceof TypeError ? 500 : 400, $mistake->getMessage()];
    }
    if (once($server['HTTP_WEBHOOK_ID'])) {
        // Here put the event in your queue. Do not log it whole: it can have an access code.
        error_log("webhook: {$event['event']} " . ($event['ats_id'] ?? ''));
    }
    return [200, 'ok'];
}
