//! Where media stand in a request, and what is one.

/// Names of fields that hold no text for the model but media, by value or address.
pub(crate) const MEDIA: [&str; 9] = [
    "image_url",
    "source",
    "input_audio",
    "file",
    "image",
    "video_url",
    "file_data",
    "file_url",
    "images",
];
/// A text of base64 characters is a medium from this length on, in bytes.
const BASE64_BYTES_MIN: usize = 64;

/// Whether a text where media may stand is one, by value or by address.
pub(super) fn is_medium(text: &str) -> bool {
    let address = ["data:", "http://", "https://"].iter().any(|start| text.starts_with(start));
    let base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=-_".contains(&b);
    address || (text.len() >= BASE64_BYTES_MIN && text.bytes().all(base64))
}
