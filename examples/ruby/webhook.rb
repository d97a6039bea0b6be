# webhook.rb
require 'json'
require 'openssl'

LARGEST = 64 * 1024 # bytes of a body
TOLERANCE = 5 * 60 # seconds between two clocks
REMEMBERED = 10_000 # ids; a site with a database keeps those of 30 days

# verify returns the event, or raises. A TypeError is a mistake in this backend.
# secrets is one secret, or two with a space between them. env is the environment of Rack.
def verify(secrets, env, body)
  unless body.is_a?(String) && !body.empty?
    raise TypeError, 'verify needs the raw body, and this body was parsed or is empty. In Rack, use env["rack.input"].read, once. ' \
                     'In Rails, use request.raw_post. In Sinatra, use request.body.read.'
  end
  keys = secrets.split.map { |one| one.delete_prefix('whsec_').unpack1('m') }
  if keys.empty? || keys.any? { |key| key.bytesize < 24 }
    raise TypeError, 'WEBHOOK_SECRET has no secret: it needs whsec_… of this endpoint.'
  end
  id, timestamp, signatures = env.values_at('HTTP_WEBHOOK_ID', 'HTTP_WEBHOOK_TIMESTAMP', 'HTTP_WEBHOOK_SIGNATURE').map(&:to_s)
  raise ArgumentError, 'A header of the signature is missing.' if [id, timestamp, signatures].any?(&:empty?)
  unless timestamp.match?(/\A[0-9]{1,12}\z/) && (Time.now.to_i - timestamp.to_i).abs <= TOLERANCE
    raise ArgumentError, 'The timestamp is more than 5 minutes away.'
  end
  matches = keys.flat_map do |key|
    expected = "v1,#{[OpenSSL::HMAC.digest('SHA256', key, "#{id}.#{timestamp}.".b + body)].pack('m0')}"
    signatures.split.map { |one| OpenSSL.secure_compare(one, expected) }
  end
  raise ArgumentError, 'No signature matches: is WEBHOOK_SECRET of this endpoint, and is the body unchanged?' if matches.none?
  JSON.parse(body)
end

SEEN = {}
TURN = Mutex.new

# receive returns the status and the text of the answer to a delivery. It acts once on each id.
def receive(env, body)
  event = verify(ENV['WEBHOOK_SECRET'].to_s, env, body)
  TURN.synchronize do
    unless SEEN.key?(env['HTTP_WEBHOOK_ID'])
      SEEN[env['HTTP_WEBHOOK_ID']] = true
      SEEN.shift if SEEN.size > REMEMBERED # the oldest
      # Here put the event in your queue. Do not log it whole: it can have an access code.
      puts "webhook: #{event['event']} #{event['ats_id']}"
    end
  end
  [200, 'ok']
rescue TypeError, ArgumentError, JSON::ParserError => e
  warn "webhook: #{e.message}"
  # Timbre sends again after 500, when your mistake is corrected. It does not after 400.
  [e.is_a?(TypeError) ? 500 : 400, e.message]
end
