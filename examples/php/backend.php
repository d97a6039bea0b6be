<?php
// backend.php

require __DIR__ . '/webhook.php';

// mint returns the server's answer, a token or a refusal. It throws when the server does not answer.
function mint(): array
{
    $call = curl_init(getenv('ATS_URL') . '/v1/sessions');
    curl_setopt_array($call, [
        CURLOPT_HTTPHEADER => ['Content-Type: application/json', 'Origin: ' . getenv('SITE')],
        CURLOPT_POSTFIELDS => json_encode(['secret_key' => getenv('ATS_SECRET_KEY'), 'action_type' => 'register', 'allowed_network' => 'testnet']),
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 10,
    ]);
    $body = curl_exec($call);
    if ($body === false) {
        throw new RuntimeException(curl_error($call));
    }
    json_decode($body, false, 32, JSON_THROW_ON_ERROR);
    return [curl_getinfo($call, CURLINFO_RESPONSE_CODE), $body];
}

function answer(int $status, string $kind, string $body): void
{
    http_response_code($status);
    header("Content-Type: $kind");
    echo $body;
}

$asked = $_SERVER['REQUEST_METHOD'] . ' ' . $_SERVER['REQUEST_URI'];
if ($asked === 'POST /my-backend/session') {
    // Here you know your visitor: refuse those who may not register a song.
    try {
        [$status, $body] = mint();
    } catch (RuntimeException | JsonException $cause) {
        error_log('mint: ' . $cause->getMessage());
        [$status, $body] = [502, '{"error":{"code":"common.service_unavailable","message":"The registry cannot be reached."}}'];
    }
    answer($status, 'application/json', $body);
} elseif ($asked === 'POST /my-backend/webhook') {
    $body = file_get_contents('php://input', false, null, 0, LARGEST + 1);
    [$status, $text] = strlen($body) > LARGEST ? [413, 'The body is too large.'] : receive($_SERVER, $body);
    answer($status, 'text/plain', $text);
} elseif ($asked === 'GET /' && is_file('index.html')) {
    answer(200, 'text/html; charset=utf-8', file_get_contents('index.html'));
} else {
    answer(404, 'text/plain', 'There is nothing here.');
}
