//! The table itself: one row a route, and the permission matrix that follows
//! from it.

use surgewall_wire::{ClientDialect, Endpoint};

use super::{accounts, admin_page, chat, disclosure, pages, status_page};
use crate::admin::AdminPage;
use crate::chat::{Call, LitePage};
use crate::listen::Purpose;
use crate::pages::Page;
use crate::status::Document;

/// What answers on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// A model call: the pipeline.
    Api(Endpoint),
    /// The models that the caller may use.
    Models,
    /// One of them.
    Model,
    /// One of them, named in the body, as Ollama has it.
    Show,
    /// The version of Ollama whose API is emulated.
    Version,
    /// What is left of the caller's budget, in DeepSeek's form.
    Balance,
    /// Whether the process lives.
    Healthz,
    /// Whether it takes requests.
    Readyz,
    /// The description of the public API.
    OpenApi,
    /// Prometheus metrics.
    Metrics,
    /// The public listener's front page: the chat.
    Front,
    /// A file of the pages.
    File,
    /// What a browser found against the rules of a page.
    CspReport,
    /// A call of the chat's page.
    Chat(Call),
    /// A page of the chat without script.
    Lite(LitePage),
    /// A page of signing in, signing up and the own account.
    Account(Page),
    /// GitHub's reports of keys that it saw in public.
    FoundByGithub,
    /// One form of the status page.
    Status(Document),
    /// A day's minutes.
    StatusMinutes,
    /// A page of the admin listener.
    Admin(AdminPage),
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody: it tells nothing about anybody.
    Everybody,
    /// A caller without a credential only as far as anonymous callers may use
    /// models; a key only within its scopes.
    Caller,
    /// A credential is needed.
    Credential,
    /// A session is needed, and only its account's own things are there. Keys do
    /// not count.
    Session,
    /// As `Session`, or a visitor's cookie where anonymous callers may use a model.
    Visitor,
    /// Whoever has the link: it can be read, and nothing else.
    Link,
    /// A session of the admin listener, and a role that allows what is asked.
    Role,
    /// Only on loopback without a proxy; elsewhere with the metrics token.
    Operator,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The listener it is on.
    pub listener: Purpose,
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// The path, in axum's form.
    pub path: &'static str,
    /// What answers.
    pub handler: Handler,
    /// The dialect of the answer and of its errors.
    pub dialect: ClientDialect,
    /// Who may use it.
    pub access: Access,
    /// The family that a key's scopes name, if the scopes count here.
    pub family: &'static str,
}

const fn api(path: &'static str, dialect: ClientDialect, endpoint: Endpoint) -> Route {
    let family = match endpoint {
        // Counting is a part of chatting: who may do one may do the other.
        Endpoint::Chat | Endpoint::CountTokens => "chat",
        Endpoint::Completions => "completions",
        Endpoint::Embeddings => "embeddings",
    };
    let (listener, handler) = (Purpose::Public, Handler::Api(endpoint));
    Route { listener, method: "POST", path, handler, dialect, access: Access::Caller, family }
}

const fn show(path: &'static str) -> Route {
    let (listener, handler, access) = (Purpose::Public, Handler::Show, Access::Caller);
    Route { listener, method: "POST", path, handler, dialect: Ollama, access, family: "models" }
}

const fn get(
    listener: Purpose,
    path: &'static str,
    dialect: ClientDialect,
    handler: Handler,
    access: Access,
) -> Route {
    let family = match handler {
        Handler::Models | Handler::Model => "models",
        Handler::Balance => "balance",
        _ => "",
    };
    Route { listener, method: "GET", path, handler, dialect, access, family }
}

use Access::{Caller, Credential, Everybody, Operator};
use ClientDialect::{Anthropic, DeepSeek, Ollama, OpenAi, Responses};
use Endpoint::{Chat, Completions, CountTokens, Embeddings};
use Purpose::{Admin, Public};

/// Every route of every listener: the API's, then each part's.
pub fn all() -> impl Iterator<Item = &'static Route> {
    let parts = [pages::ROUTES, chat::ROUTES, chat::LITE, accounts::ROUTES, admin_page::ROUTES];
    [ROUTES, status_page::ROUTES, disclosure::ROUTES].into_iter().chain(parts).flatten()
}

/// The routes of the API, and those that belong to no other part.
pub const ROUTES: &[Route] = &[
    api("/v1/chat/completions", OpenAi, Chat),
    api("/v1/completions", OpenAi, Completions),
    api("/v1/embeddings", OpenAi, Embeddings),
    api("/v1/responses", Responses, Chat),
    api("/chat/completions", DeepSeek, Chat),
    api("/completions", DeepSeek, Completions),
    api("/embeddings", DeepSeek, Embeddings),
    api("/beta/chat/completions", DeepSeek, Chat),
    api("/beta/completions", DeepSeek, Completions),
    api("/beta/embeddings", DeepSeek, Embeddings),
    api("/v1/messages", Anthropic, Chat),
    api("/v1/messages/count_tokens", Anthropic, CountTokens),
    api("/anthropic/v1/messages", Anthropic, Chat),
    api("/anthropic/v1/messages/count_tokens", Anthropic, CountTokens),
    api("/api/chat", Ollama, Chat),
    api("/api/generate", Ollama, Completions),
    api("/api/embed", Ollama, Embeddings),
    show("/api/show"),
    get(Public, "/api/tags", Ollama, Handler::Models, Caller),
    get(Public, "/api/version", Ollama, Handler::Version, Everybody),
    get(Public, "/v1/models", OpenAi, Handler::Models, Caller),
    get(Public, "/v1/models/{*id}", OpenAi, Handler::Model, Caller),
    get(Public, "/models", DeepSeek, Handler::Models, Caller),
    get(Public, "/models/{*id}", DeepSeek, Handler::Model, Caller),
    get(Public, "/beta/models", DeepSeek, Handler::Models, Caller),
    get(Public, "/beta/models/{*id}", DeepSeek, Handler::Model, Caller),
    get(Public, "/anthropic/v1/models", Anthropic, Handler::Models, Caller),
    get(Public, "/anthropic/v1/models/{*id}", Anthropic, Handler::Model, Caller),
    get(Public, "/user/balance", DeepSeek, Handler::Balance, Credential),
    get(Public, "/healthz", OpenAi, Handler::Healthz, Everybody),
    get(Public, "/readyz", OpenAi, Handler::Readyz, Everybody),
    get(Public, "/openapi.json", OpenAi, Handler::OpenApi, Everybody),
    get(Admin, "/metrics", OpenAi, Handler::Metrics, Operator),
];
