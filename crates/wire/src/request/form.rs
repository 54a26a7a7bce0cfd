//! What the form of an answer depends on, besides dialect and endpoint.

/// What an answer has to know of its request's body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Whether embeddings are asked for as base64.
    pub embeddings_base64: bool,
    /// The fields that an answer of Responses repeats, as the text of a JSON
    /// object; empty for other dialects.
    pub echo: String,
}
