//! The signature of a request to an operator's address, in the form of Standard
//! Webhooks (standardwebhooks.com), for which there are verifiers in many languages.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use surgewall_core::secret::SecretString;

/// The form's version, which every signature begins with.
pub const SIGNATURE_VERSION: &str = "v1";
/// What a secret begins with whose rest is base64.
const ENCODED: &str = "whsec_";

/// The signature of `body`, sent as the message `id` at `seconds` since the epoch.
#[must_use]
pub fn signature(secret: &SecretString, id: &str, seconds: u64, body: &[u8]) -> String {
    let text = secret.expose();
    let decoded = text.strip_prefix(ENCODED).and_then(|rest| STANDARD.decode(rest).ok());
    let key = Key::new(HMAC_SHA256, decoded.as_deref().unwrap_or(text.as_bytes()));
    let signed = [format!("{id}.{seconds}.").as_bytes(), body].concat();
    format!("{SIGNATURE_VERSION},{}", STANDARD.encode(sign(&key, &signed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_one() {
        // The example of the Standard Webhooks specification.
        let secret = SecretString::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn id_time_body_and_secret_all_count() {
        let secret = |text: &str| SecretString::new(text.to_owned());
        let first = signature(&secret("a long secret"), "msg_a", 1, b"x");
        for other in [
            signature(&secret("a long secret!"), "msg_a", 1, b"x"),
            signature(&secret("a long secret"), "msg_b", 1, b"x"),
            signature(&secret("a long secret"), "msg_a", 2, b"x"),
            signature(&secret("a long secret"), "msg_a", 1, b"y"),
        ] {
            assert_ne!(first, other);
        }
    }
}
