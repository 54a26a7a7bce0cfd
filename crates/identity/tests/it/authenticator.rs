//! A passkey device and its browser, in software: ES256, no attestation (WebAuthn level 3).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use surgewall_core::digest::sha256;
use surgewall_core::random;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const ATTESTED: u8 = 0x40;

/// What a device and a browser may do, and what a test makes them do wrong.
pub(crate) struct Device {
    key: EcdsaKeyPair,
    pub(crate) id: Vec<u8>,
    /// Zero and still, as that of a passkey that is synchronised.
    pub(crate) counter: u32,
    pub(crate) verifies: bool,
    pub(crate) origin: String,
    pub(crate) rp_id: Option<String>,
    /// The user handle, from the registration.
    pub(crate) user: Value,
}

impl Device {
    pub(crate) fn new(origin: &str) -> Self {
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id: random::bytes::<32>().to_vec(),
            counter: 0,
            verifies: true,
            origin: origin.to_owned(),
            rp_id: None,
            user: Value::Null,
        }
    }

    /// `navigator.credentials.create(options)`, as `credential.toJSON()`.
    pub(crate) fn create(&mut self, options: &Value) -> Vec<u8> {
        let options = &options["publicKey"];
        self.user = options["user"]["id"].clone();
        let client_data = self.client_data("webauthn.create", options);
        let rp_id = options["rp"]["id"].as_str().unwrap();
        let mut data = self.authenticator_data(rp_id, ATTESTED | BACKUP_ELIGIBLE);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        data.extend(self.cose_key());
        let mut attestation = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59".to_vec();
        attestation.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        attestation.extend(data);
        let credential = json!({
            "id": text(&self.id), "rawId": text(&self.id), "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {"credProps": {"rk": true}},
            "response": {
                "attestationObject": text(&attestation),
                "clientDataJSON": text(&client_data),
                "transports": ["internal"],
            },
        });
        credential.to_string().into_bytes()
    }

    /// `navigator.credentials.get(options)`, as `credential.toJSON()`.
    pub(crate) fn get(&self, options: &Value) -> Vec<u8> {
        let options = &options["publicKey"];
        let client_data = self.client_data("webauthn.get", options);
        let rp_id = options["rpId"].as_str().unwrap();
        let data = self.authenticator_data(rp_id, BACKUP_ELIGIBLE);
        let signed = [data.as_slice(), &sha256(&client_data)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        let credential = json!({
            "id": text(&self.id), "rawId": text(&self.id), "type": "public-key",
            "authenticatorAttachment": "platform", "clientExtensionResults": {},
            "response": {
                "authenticatorData": text(&data),
                "clientDataJSON": text(&client_data),
                "signature": text(signature.as_ref()),
                "userHandle": self.user,
            },
        });
        credential.to_string().into_bytes()
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let data = json!({
            "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false,
        });
        data.to_string().into_bytes()
    }

    fn authenticator_data(&self, rp_id: &str, flags: u8) -> Vec<u8> {
        let rp_id = self.rp_id.as_deref().unwrap_or(rp_id);
        let verified = if self.verifies { USER_VERIFIED } else { 0 };
        let mut data = sha256(rp_id.as_bytes()).to_vec();
        data.push(flags | USER_PRESENT | verified);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// The public key as a COSE map: EC2, ES256, P-256, x, y.
    fn cose_key(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        [b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", x, b"\x22\x58\x20", y].concat()
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
