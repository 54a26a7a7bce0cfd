//! The double's connections, and the way of one request through it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::answer::{Answer, FLUSH, Filler, Pace, Part};
use super::bank::Kind;
use super::behaviour::{Behaviour, Fault};
use super::engine::Supply;
use super::plan::{Plan, Script};
use super::record::Run;
use super::request::{Ask, Route, words_in};
use super::state::State;
use super::{anthropic, ollama, openai};

/// A request body, in bytes.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Between two blank lines of [`Fault::Blank`].
const BLANK_EVERY: Duration = Duration::from_millis(10);

type Reply = Response<Either<Full<Bytes>, Answer>>;

/// Serves one connection, HTTP/1 or HTTP/2 in clear; `reset` is set when it
/// shall be reset rather than closed. Only a client of the same machine, one
/// that `is_near`, may change the double.
pub(super) async fn connection<I>(state: Arc<State>, io: I, reset: Arc<AtomicBool>, is_near: bool)
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    state.records.connected();
    let mut restarts = state.restarts.subscribe();
    let service = service_fn(move |request| {
        let (state, reset) = (Arc::clone(&state), Arc::clone(&reset));
        async move { Call { state, reset, is_near }.answer(request).await }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(64 << 10);
    builder.http2().max_concurrent_streams(1_000);
    // A broken connection is an ordinary end: the records tell what became of its requests.
    tokio::select! {
        _ = builder.serve_connection(TokioIo::new(io), service) => {}
        _ = restarts.changed() => {}
    }
}

struct Call {
    state: Arc<State>,
    reset: Arc<AtomicBool>,
    is_near: bool,
}

impl Call {
    async fn answer(self, request: Request<Incoming>) -> io::Result<Reply> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let route = Route::of(path);
        #[expect(clippy::disallowed_methods, reason = "bounded by Limited")]
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|_| io::ErrorKind::ConnectionAborted)?.to_bytes();
        match route {
            Route::Stats => return Ok(json(200, self.state.records.stats().to_string())),
            Route::Behaviour | Route::Control if !self.is_near => {
                return Ok(error(route, 403, "The double is changed from its own machine only."));
            }
            Route::Behaviour => return Ok(self.change(&body)),
            Route::Control => return Ok(self.control(&body)),
            Route::Metrics => return Ok(self.metrics()),
            Route::Unknown => return Ok(error(route, 404, "The double has nothing here.")),
            _ => {}
        }
        let run = self.state.records.begin(path, head.headers.clone(), &body);
        let Ok(ask) = Ask::parse(&body) else {
            run.fail();
            return Ok(error(route, 400, "The body is not what the double can read."));
        };
        let common = self.state.behaviour();
        let prompt = ask.prompt_text();
        let words = [header(&head.headers, "x-double"), words_in(&prompt)];
        let behaviour = match changed(&common, &words) {
            Ok(behaviour) => behaviour,
            Err(why) => return Ok(error(route, 400, &why)),
        };
        if !is_allowed(&behaviour, &head.headers) {
            run.fail();
            return Ok(error(route, 401, "The double does not know this key."));
        }
        let Some(slot) = self.state.slot(behaviour.queue_max).await else {
            run.fail();
            return Ok(error(route, 503, "The double has no free slot."));
        };
        if let Some(reply) = before_head(&behaviour.fault, route, &run).await? {
            return Ok(reply);
        }
        match route {
            Route::Chat | Route::Completions | Route::Messages | Route::Lines | Route::Generate => {
                let Ok(model) = self.state.model(&ask, &body) else {
                    run.fail();
                    return Ok(error(route, 400, "The double's context is not so long."));
                };
                let plan = Plan::new(route, &ask, &behaviour, &prompt, &self.state.banks, model);
                let supply = self.state.supply(&ask, &plan).map_err(io::Error::other)?;
                let answer = self.start(&plan, &behaviour, run, (slot, supply));
                reply(answer, &plan, &behaviour).await
            }
            _ => {
                run.finish();
                Ok(plain(route, path, &ask, &head.headers, &behaviour))
            }
        }
    }

    fn change(&self, words: &[u8]) -> Reply {
        match String::from_utf8_lossy(words).parse::<Behaviour>() {
            Ok(behaviour) => {
                self.state.set(behaviour);
                json(200, "{}".to_owned())
            }
            Err(why) => error(Route::Behaviour, 400, &why.to_string()),
        }
    }

    fn control(&self, words: &[u8]) -> Reply {
        let words = String::from_utf8_lossy(words);
        match words.split_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>() {
            Ok(controls) => {
                controls.into_iter().for_each(|control| self.state.control(control));
                json(200, "{}".to_owned())
            }
            Err(why) => error(Route::Control, 400, &why.to_string()),
        }
    }

    fn metrics(&self) -> Reply {
        let Some(text) = self.state.metrics() else {
            return error(Route::Metrics, 404, "The double has no metrics.");
        };
        let mut reply = json(200, text);
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        reply.headers_mut().insert(CONTENT_TYPE, kind);
        reply
    }

    fn start(
        &self,
        plan: &Plan<'_>,
        behaviour: &Behaviour,
        run: Run,
        (slot, supply): (OwnedSemaphorePermit, Option<Supply>),
    ) -> Answer {
        let start = Instant::now();
        let every = Duration::from_millis(behaviour.comments_ms);
        let filler = (!every.is_zero()).then(|| {
            let comments = plan.stream && !plan.route.is_ollama();
            let bytes: &[u8] = if comments { b": keep-alive\n\n" } else { b"\n" };
            Filler { bytes: Bytes::copy_from_slice(bytes), every, next: start + every }
        });
        Answer {
            parts: script(plan, &behaviour.fault),
            pace: Pace {
                start,
                first: Duration::from_millis(behaviour.first_token_ms),
                tokens_per_s: behaviour.tokens_per_s,
            },
            trouble: plan.trouble(&behaviour.fault),
            filler,
            drips: behaviour.fault == Fault::Drip,
            reset: Arc::clone(&self.reset),
            run,
            supply,
            _slot: Some(slot),
            made: 0,
            peeked: None,
            dripping: Bytes::new(),
            next_drip: None,
            breaks_at: None,
            sleep: None,
        }
    }
}

/// The common behaviour with the changes that a request's own words ask for.
fn changed<'a>(
    common: &'a Behaviour,
    words: &[Option<&str>],
) -> Result<Cow<'a, Behaviour>, String> {
    let mut behaviour = Cow::Borrowed(common);
    for words in words.iter().flatten() {
        behaviour.to_mut().apply(words).map_err(|why| why.to_string())?;
    }
    Ok(behaviour)
}

fn is_allowed(behaviour: &Behaviour, headers: &HeaderMap) -> bool {
    let bearer = header(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
    let key = behaviour.api_key.as_deref();
    key.is_none() || bearer == key || header(headers, "x-api-key") == key
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The faults that leave nothing of the answer.
async fn before_head(fault: &Fault, route: Route, run: &Run) -> io::Result<Option<Reply>> {
    let mut reply = match fault {
        Fault::Status { code, retry_after_s } => {
            let mut reply = error(route, *code, "The double was asked to fail.");
            if let Some(seconds) = retry_after_s {
                reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            reply
        }
        Fault::Redirect { to } => {
            let mut reply = json(302, String::new());
            if let Ok(to) = HeaderValue::from_str(to) {
                reply.headers_mut().insert(LOCATION, to);
            }
            reply
        }
        Fault::Empty => json(200, String::new()),
        Fault::Hang => std::future::pending().await,
        Fault::Vanish => {
            run.fail();
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        _ => return Ok(None),
    };
    run.fail();
    reply.headers_mut().insert("x-double", HeaderValue::from_static("fault"));
    Ok(Some(reply))
}

/// The parts of the answer, as the fault wants them.
fn script(plan: &Plan<'_>, fault: &Fault) -> Script {
    match fault {
        Fault::Blank { lines } => {
            let blank = |_| [Part::Wait(BLANK_EVERY, None), Part::Free(Bytes::from_static(b"\n"))];
            (0..*lines).flat_map(blank).collect()
        }
        Fault::Endless if !plan.stream => {
            let open = Bytes::from_static(b"{\"choices\":[{\"message\":{\"content\":\"");
            VecDeque::from([Part::Free(open), plan.text_part(Kind::Raw)])
        }
        Fault::Oversize { bytes, .. } if !plan.stream => {
            let body = format!(
                "{{\"choices\":[{{\"message\":{{\"content\":\"{}\"}}}}]}}",
                "x".repeat(*bytes)
            );
            VecDeque::from([Part::Free(Bytes::from(body))])
        }
        Fault::LongLength => {
            let mut script = plan.script();
            script.push_back(Part::Wait(FLUSH, None));
            script
        }
        _ => plan.script(),
    }
}

/// The head, and the answer behind it.
async fn reply(mut answer: Answer, plan: &Plan<'_>, behaviour: &Behaviour) -> io::Result<Reply> {
    let is_early = plan.stream && !behaviour.late_head || behaviour.comments_ms > 0;
    let length =
        if plan.stream || behaviour.comments_ms > 0 { None } else { length_of(&answer.parts) };
    if !is_early {
        poll_fn(|cx| answer.poll_first(cx)).await?;
    }
    let kind = match (plan.stream, plan.route.is_ollama()) {
        (true, true) => "application/x-ndjson",
        (true, false) => "text/event-stream; charset=utf-8",
        (false, _) => "application/json",
    };
    let mut reply = Response::new(Either::Right(answer));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if behaviour.fault == Fault::LongLength {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length.unwrap_or(1 << 20) + 1_000));
    } else if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(reply)
}

/// The length of a body whose tokens are silent.
fn length_of(parts: &Script) -> Option<u64> {
    let lengths = parts.iter().map(|part| match part {
        Part::Free(bytes) => u64::try_from(bytes.len()).ok(),
        Part::Silent(_) | Part::Wait(..) => Some(0),
        Part::Tokens { .. } | Part::Fixed(_) => None,
    });
    lengths.sum()
}

/// The answers that are not generated.
fn plain(
    route: Route,
    path: &str,
    ask: &Ask<'_>,
    headers: &HeaderMap,
    behaviour: &Behaviour,
) -> Reply {
    let anthropic = headers.contains_key("anthropic-version");
    match route {
        Route::Embed => json(200, ollama::embed(ask)),
        Route::Tags => json(200, ollama::tags(&behaviour.models)),
        Route::Embeddings => json(200, openai::embeddings(ask)),
        Route::CountTokens => json(200, anthropic::count(ask)),
        Route::Models if anthropic => json(200, anthropic::models(&behaviour.models)),
        Route::Models => json(200, openai::models(&behaviour.models)),
        Route::Model => {
            let name = path.split_once("/models/").map_or("", |(_, name)| name);
            match behaviour.models.iter().find(|known| *known == name) {
                Some(name) if anthropic => json(200, anthropic::model(name).to_string()),
                Some(name) => json(200, openai::model(name).to_string()),
                None => error(route, 404, "The double has no such model."),
            }
        }
        _ => json(200, String::new()),
    }
}

fn error(route: Route, status: u16, message: &str) -> Reply {
    let body = if route.is_ollama() {
        ollama::error(message)
    } else if route.is_anthropic() {
        anthropic::error(status, message)
    } else {
        openai::error(status, message)
    };
    json(status, body)
}

fn json(status: u16, body: String) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(Bytes::from(body))));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}
