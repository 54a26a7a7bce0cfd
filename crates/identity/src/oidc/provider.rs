//! One provider on a running door: somebody is sent there, and comes back.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use openidconnect::core::{CoreErrorResponseType, CoreResponseType};
use openidconnect::{
    AccessToken, AuthenticationFlow, AuthorizationCode, ClaimsVerificationError, ClientId,
    ClientSecret, CsrfToken, EndUserEmail, EndUserName, IssuerUrl, LocalizedClaim, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError,
    Scope, SignatureVerificationError, StandardErrorResponse, SubjectIdentifier,
    TokenResponse as _,
};
use surgewall_core::clock::Timestamp;
use surgewall_core::random;

use super::claims::Told;
use super::fetch::{Http, HttpError};
use super::known::{Current, Known, chain, check_private, clean};
use super::types::{ALGORITHMS, Metadata, OidcClient, Token, TokenClaims, UserInfo};
use super::{
    Callback, FLOW_MAX, Flow, OidcError, PARAMETER_BYTES_MAX, Proven, ProviderConfig, TOKEN_AGE_MAX,
};

/// One provider on a running door.
pub struct Provider {
    config: ProviderConfig,
    http: Http,
    known: Known,
}

impl Provider {
    /// The provider of `config`. It is asked when somebody wants to sign in.
    ///
    /// # Errors
    /// An issuer that is no https address (nor of this machine), or an authority that is none.
    pub fn new(config: ProviderConfig) -> Result<Self, OidcError> {
        let setup = |why: String| OidcError::Setup(format!("{}: {why}", config.name));
        let issuer =
            IssuerUrl::new(config.issuer.clone()).map_err(|error| setup(error.to_string()))?;
        check_private("the issuer", issuer.as_str()).map_err(setup)?;
        let http = Http::new(config.authority.as_deref()).map_err(setup)?;
        let known = Known::new(issuer, http.clone());
        Ok(Self { http, known, config })
    }

    /// What the door calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Begins a sign-in: where to send the browser, and what the server keeps.
    ///
    /// # Errors
    /// The provider does not answer.
    pub async fn begin(
        &self,
        redirect_uri: &str,
        now: Timestamp,
    ) -> Result<(String, Flow), OidcError> {
        let current = self.known.current(now).await?;
        let redirect = redirect(redirect_uri)?;
        let client = self.client(&current.metadata).set_redirect_uri(redirect);
        let (state, nonce, verifier) = (random::base62(32), random::base62(32), random::base62(64));
        let challenge =
            PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.clone()));
        let (csrf, once) = (CsrfToken::new(state.clone()), Nonce::new(nonce.clone()));
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let scopes = self.config.scopes.iter().cloned().map(Scope::new);
        let request = client.authorize_url(flow, || csrf, || once).add_scopes(scopes);
        let (url, _, _) = request.set_pkce_challenge(challenge).url();
        let flow = Flow {
            issuer: self.config.issuer.clone(),
            redirect_uri: redirect_uri.to_owned(),
            state,
            nonce,
            verifier,
            expires_at: now.plus(FLOW_MAX),
        };
        Ok((url.into(), flow))
    }

    /// Ends a sign-in: who it is. The caller has taken the flow away, so that it
    /// is used once.
    ///
    /// # Errors
    /// Whatever does not hold.
    pub async fn finish(
        &self,
        flow: Flow,
        callback: &Callback<'_>,
        now: Timestamp,
    ) -> Result<Proven, OidcError> {
        if now >= flow.expires_at {
            return Err(OidcError::Expired);
        }
        let current = self.known.current(now).await?;
        let code = self.code(&flow, callback, &current.metadata)?;
        let client = self.client(&current.metadata).set_redirect_uri(redirect(&flow.redirect_uri)?);
        let request = client.exchange_code(AuthorizationCode::new(code.to_owned()));
        let request = request.map_err(|error| refused(&error.to_string()))?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(flow.verifier));
        let answer =
            request.request_async(&self.http).await.map_err(|error| of_exchange(&error))?;
        let token = answer.id_token().ok_or_else(|| refused("no identity token"))?;
        let claims = self.verified(token, &Nonce::new(flow.nonce), current, now).await?;
        let told = told(&claims);
        let told = if told.lacks(&self.config) {
            self.user_info(answer.access_token(), told, now).await?
        } else {
            told
        };
        told.judged(&self.config)
    }

    /// The code of a callback that belongs to `flow` and comes from this provider.
    fn code<'a>(
        &self,
        flow: &Flow,
        callback: &Callback<'a>,
        metadata: &Metadata,
    ) -> Result<&'a str, OidcError> {
        let mismatch = |why: &str| Err(OidcError::Mismatch(why.to_owned()));
        if flow.issuer != self.config.issuer {
            return mismatch("the flow was begun at another provider");
        }
        if verify_slices_are_equal(callback.state.as_bytes(), flow.state.as_bytes()).is_err() {
            return mismatch("the state is not the flow's");
        }
        // Before all else that the answer says: who says it (RFC 9207 §2.4).
        match callback.iss {
            Some(iss) if iss != self.config.issuer => {
                return mismatch("the answer is another issuer's");
            }
            None if metadata
                .additional_metadata()
                .authorization_response_iss_parameter_supported =>
            {
                return mismatch("the answer does not say its issuer, and this one always does");
            }
            _ => {}
        }
        if let Some(error) = callback.error {
            return Err(OidcError::Denied(clean(error)));
        }
        let fits = |code: &&str| !code.is_empty() && code.len() <= PARAMETER_BYTES_MAX;
        callback.code.filter(fits).ok_or_else(|| OidcError::Mismatch("no usable code".to_owned()))
    }

    /// The claims of `token`, if all of it holds; its keys are fetched anew if it names one that is not known.
    async fn verified(
        &self,
        token: &Token,
        nonce: &Nonce,
        current: Arc<Current>,
        now: Timestamp,
    ) -> Result<TokenClaims, OidcError> {
        let no_key = ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey,
        );
        match self.claims(token, nonce, &current.metadata, now) {
            Err(error) if error == no_key => {
                let current = self.known.with_new_keys(current, now).await?;
                self.claims(token, nonce, &current.metadata, now)
            }
            judged => judged,
        }
        .map_err(|error| refused(&error.to_string()))
    }

    fn claims(
        &self,
        token: &Token,
        nonce: &Nonce,
        metadata: &Metadata,
        now: Timestamp,
    ) -> Result<TokenClaims, ClaimsVerificationError> {
        let client = self.client(metadata);
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || (UNIX_EPOCH + Duration::from_millis(now.millis())).into())
            .set_issue_time_verifier_fn(move |issued| {
                let issued = u64::try_from(issued.timestamp()).unwrap_or_default();
                let is_near = issued.abs_diff(now.seconds()) <= TOKEN_AGE_MAX.as_secs();
                if is_near { Ok(()) } else { Err("issued at another time than now".to_owned()) }
            });
        let claims = token.claims(&verifier, nonce)?;
        // The library leaves the authorized party to us (OpenID Connect Core §3.1.3.7).
        match claims.authorized_party() {
            Some(party) if party.as_str() != self.config.client_id => Err(
                ClaimsVerificationError::InvalidAudience("issued for another client".to_owned()),
            ),
            _ => Ok(claims.clone()),
        }
    }

    /// `told`, and what the user-info endpoint adds for the same subject.
    async fn user_info(
        &self,
        access: &AccessToken,
        told: Told,
        now: Timestamp,
    ) -> Result<Told, OidcError> {
        let is_header = |token: &str| token.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_header(access.secret()) {
            return Err(refused("an access token that is none"));
        }
        let current = self.known.current(now).await?;
        let client = self.client(&current.metadata);
        let subject = SubjectIdentifier::new(told.subject.clone());
        let Ok(request) = client.user_info(access.clone(), Some(subject)) else { return Ok(told) };
        let info: UserInfo = request
            .request_async(&self.http)
            .await
            .map_err(|error| refused(&format!("user info: {error}")))?;
        let more = Told {
            subject: told.subject.clone(),
            email: verified_email(info.email(), info.email_verified()),
            name: localized(info.name()),
            others: info.additional_claims().all.clone(),
        };
        Ok(told.join(more))
    }

    fn client(&self, metadata: &Metadata) -> OidcClient {
        let secret = self.config.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose().clone()));
        let id = ClientId::new(self.config.client_id.clone());
        OidcClient::from_provider_metadata(metadata.clone(), id, secret)
    }
}

fn told(claims: &TokenClaims) -> Told {
    Told {
        subject: claims.subject().as_str().to_owned(),
        email: verified_email(claims.email(), claims.email_verified()),
        name: localized(claims.name()),
        others: claims.additional_claims().all.clone(),
    }
}

fn verified_email(email: Option<&EndUserEmail>, is_verified: Option<bool>) -> Option<String> {
    email.filter(|_| is_verified == Some(true)).map(|email| email.as_str().to_owned())
}

/// The name without a language; where there is none, any.
fn localized(name: Option<&LocalizedClaim<EndUserName>>) -> Option<String> {
    let name = name?;
    let any = || name.iter().next().map(|(_, name)| name);
    name.get(None).or_else(any).map(|name| name.as_str().to_owned())
}

fn redirect(uri: &str) -> Result<RedirectUrl, OidcError> {
    RedirectUrl::new(uri.to_owned()).map_err(|error| OidcError::Setup(error.to_string()))
}

fn refused(why: &str) -> OidcError {
    OidcError::Refused(clean(why))
}

/// A code that was used, or is another client's, is refused by the provider; the rest is its own fault.
fn of_exchange(
    error: &RequestTokenError<HttpError, StandardErrorResponse<CoreErrorResponseType>>,
) -> OidcError {
    match error {
        RequestTokenError::Request(error) => OidcError::Unreachable(clean(&chain(error))),
        other => refused(&chain(other)),
    }
}
