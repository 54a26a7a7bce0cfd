//! Reading the golden files and running them.

use std::path::{Path, PathBuf};

use bytes::BytesMut;
use surgewall_core::config::schema::Dialect;
use surgewall_wire::request::{Form, RequestLimits};
use surgewall_wire::stream::{AnswerStream, StreamFault, StreamOptions, Tally};
use surgewall_wire::{ClientDialect, Endpoint};

pub(crate) const CLIENTS: [ClientDialect; 5] = [
    ClientDialect::OpenAi,
    ClientDialect::DeepSeek,
    ClientDialect::Anthropic,
    ClientDialect::Ollama,
    ClientDialect::Responses,
];
pub(crate) const UPSTREAMS: [Dialect; 3] = [Dialect::Openai, Dialect::Anthropic, Dialect::Ollama];

pub(crate) const LIMITS: RequestLimits =
    RequestLimits { json_depth_max: 64, messages_max: 16, tools_max: 4 };

/// One golden file: `CASE/KIND.DIALECT[-NAME].EXTENSION`.
pub(crate) struct Golden {
    /// `CASE.KIND.DIALECT-NAME`.
    pub(crate) name: String,
    pub(crate) kind: String,
    /// `openai`, `deepseek`, `anthropic`, `responses` or `ollama`; OpenAI's
    /// `completions` or `embeddings`; Ollama's `generate` or `embed`.
    pub(crate) dialect: String,
    pub(crate) bytes: Vec<u8>,
}

impl Golden {
    pub(crate) fn client(&self) -> ClientDialect {
        match self.dialect.as_str() {
            "anthropic" => ClientDialect::Anthropic,
            "deepseek" => ClientDialect::DeepSeek,
            "ollama" | "generate" | "embed" => ClientDialect::Ollama,
            "responses" => ClientDialect::Responses,
            _ => ClientDialect::OpenAi,
        }
    }

    pub(crate) fn upstream(&self) -> Dialect {
        match self.dialect.as_str() {
            "anthropic" => Dialect::Anthropic,
            "ollama" | "generate" | "embed" => Dialect::Ollama,
            _ => Dialect::Openai,
        }
    }

    /// Whether such a client can have asked such an upstream for this.
    pub(crate) fn reaches(&self, client: ClientDialect) -> bool {
        let openai = matches!(client, ClientDialect::OpenAi | ClientDialect::DeepSeek);
        client.matches(self.upstream())
            || match self.dialect.as_str() {
                "completions" => false,
                "embeddings" => client == ClientDialect::Ollama,
                "generate" | "embed" => openai,
                _ => true,
            }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        match self.dialect.as_str() {
            "completions" | "generate" => Endpoint::Completions,
            "embeddings" | "embed" => Endpoint::Embeddings,
            _ => Endpoint::Chat,
        }
    }
}

/// All golden files of `kind`, in the order of their names.
pub(crate) fn golden(kind: &str) -> Vec<Golden> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut found: Vec<Golden> = entries(&root)
        .iter()
        .flat_map(|case| entries(case))
        .map(|path| {
            let file = path.file_name().unwrap().to_str().unwrap();
            let case = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
            let parts: Vec<&str> = file.split('.').collect();
            Golden {
                name: format!("{case}.{}.{}", parts[0], parts[1]),
                kind: parts[0].to_owned(),
                dialect: parts[1].split('-').next().unwrap().to_owned(),
                bytes: surgewall_core::files::read_bounded(&path, 1 << 20).unwrap(),
            }
        })
        .filter(|golden| golden.kind == kind)
        .collect();
    assert!(!found.is_empty());
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn entries(path: &Path) -> Vec<PathBuf> {
    path.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect()
}

pub(crate) fn stream_options(client: ClientDialect, golden: &Golden) -> StreamOptions {
    StreamOptions {
        client,
        upstream: golden.upstream(),
        endpoint: golden.endpoint(),
        shown_model: None,
        include_usage: true,
        request_id: "req1".to_owned(),
        created_s: 1_770_000_000,
        input_tokens_estimate: 11,
        form: Form { embeddings_base64: false, echo: "{\"top_p\":0.5}".to_owned() },
    }
}

/// What a stream's run came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) out: String,
    pub(crate) result: Result<(), StreamFault>,
    pub(crate) tally: Tally,
    pub(crate) done: bool,
}

/// Feeds the chunks, then the end.
pub(crate) fn run<'a>(options: &StreamOptions, chunks: impl IntoIterator<Item = &'a [u8]>) -> Run {
    let mut stream = AnswerStream::new(options.clone());
    let mut out = BytesMut::new();
    let mut result = Ok(());
    for chunk in chunks {
        if result.is_ok() {
            result = stream.feed(chunk, &mut out);
        }
    }
    if result.is_ok() {
        result = stream.finish(&mut out);
    }
    let out = String::from_utf8(out.to_vec()).unwrap();
    Run { out, result, tally: stream.tally(), done: stream.is_done() }
}
