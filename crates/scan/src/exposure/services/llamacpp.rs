//! llama.cpp's server: its list of models is shown to everybody, its properties
//! only to whoever has the key.

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::{is_page, on_page};

pub(super) static KIND: Kind = Kind {
    id: "llamacpp",
    name: "llama.cpp",
    holds: Holds::Model,
    advice: "Start it with --api-key-file and --host 127.0.0.1, and put the door in front of it.",
};

/// The question that needs the key.
pub(super) const PROPS: Probe = Probe { ask: Ask::Get("/props"), judge: props };

/// Port 8080.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[8_080],
    tls: false,
    expected: PROPS,
    recognised: PROPS,
    is_sign: |heard| is_page(heard, |page| page.header_text("server") == "llama.cpp"),
};

fn props(heard: &Heard<'_>) -> Judged {
    on_page(heard, |page| {
        let body = page.json();
        if page.is_ok() && body["default_generation_settings"].is_object() {
            return Judged::Open(&KIND, "It tells its properties without a key.");
        }
        if page.refuses() {
            let is_llamacpp = page.header_text("server") == "llama.cpp"
                || body["error"]["type"] == "authentication_error";
            return Judged::Guarded(is_llamacpp.then_some(&KIND), "It asks for a key.");
        }
        Judged::Other
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::{check, page};

    #[test]
    fn its_properties() {
        let whole = r#"{"default_generation_settings":{"n_ctx":4096},"total_slots":1}"#;
        let key =
            r#"{"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}"#;
        for (answer, expected) in [
            (page(200, "Server: llama.cpp\r\n", whole), "open"),
            (page(200, "Server: llama.cpp\r\n", "{}"), "other"),
            (page(401, "", key), "guarded"),
            (page(403, "", ""), "guarded"),
            (page(404, "", whole), "other"),
        ] {
            check(props, answer.as_bytes(), expected);
        }
    }
}
