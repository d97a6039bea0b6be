# config.ru
require 'json'
require 'net/http'
require 'timeout'
require_relative 'webhook'

$stdout.sync = true
QUESTION = { secret_key: ENV.fetch('ATS_SECRET_KEY'), action_type: 'register', allowed_network: 'testnet' }.freeze
UNREACHABLE = '{"error":{"code":"common.service_unavailable","message":"The registry cannot be reached."}}'

# mint returns the server's answer, a token or a refusal. It raises when the server does not answer.
def mint
  Timeout.timeout(10) do
    answer = Net::HTTP.post(URI("#{ENV.fetch('ATS_URL')}/v1/sessions"), QUESTION.to_json,
                            'Content-Type' => 'application/json', 'Origin' => ENV.fetch('SITE'))
    JSON.parse(answer.body)
    [answer.code.to_i, answer.body]
  end
end

def answer(status, kind, body)
  [status, { 'content-type' => kind }, [body]]
end

run(lambda do |env|
  case "#{env['REQUEST_METHOD']} #{env['PATH_INFO']}"
  when 'POST /my-backend/session'
    # Here you know your visitor: refuse those who may not register a song.
    begin
      status, body = mint
    rescue StandardError => e
      warn "mint: #{e.message}"
      status, body = 502, UNREACHABLE
    end
    answer(status, 'application/json', body)
  when 'POST /my-backend/webhook'
    body = env['rack.input'].read(LARGEST + 1).to_s
    status, text = body.bytesize > LARGEST ? [413, 'The body is too large.'] : receive(env, body)
    answer(status, 'text/plain', text)
  when 'GET /'
    answer(200, 'text/html; charset=utf-8', File.read('index.html'))
  else
    answer(404, 'text/plain', 'There is nothing here.')
  end
end)
