//! A form around a file (RFC 7578), so that the file itself never enters memory. Names and values come from a plugin: what
//! could end a field early is escaped or taken out.

use crate::plugin::bindings::batch::Multipart;

/// What stands before the file and after it.
pub(super) fn around(form: &Multipart, content_type: &str, boundary: &str) -> (String, String) {
    let mut prefix = String::new();
    for (name, value) in &form.fields {
        prefix.push_str(&format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n",
            quoted(name),
            value.replace(boundary, "")
        ));
    }
    prefix.push_str(&format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"; filename=\"{}\"\r\ncontent-type: {}\r\n\r\n",
        quoted(&form.file_field),
        quoted(&form.file_name),
        content_type.replace(['\r', '\n'], "")
    ));
    (prefix, format!("\r\n--{boundary}--\r\n"))
}

/// As browsers escape them (WHATWG HTML, "multipart/form-data").
fn quoted(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_frames_the_file_and_no_name_leaves_its_quotes() {
        let form = Multipart {
            fields: vec![("purpose".into(), "batch".into())],
            file_field: "file".into(),
            file_name: "a\"\r\nb.jsonl".into(),
        };
        let (prefix, suffix) = around(&form, "application/jsonl", "B");
        assert_eq!(
            prefix,
            "--B\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--B\r\ncontent-disposition: form-data; \
             name=\"file\"; filename=\"a%22%0D%0Ab.jsonl\"\r\ncontent-type: application/jsonl\r\n\r\n"
        );
        assert_eq!(suffix, "\r\n--B--\r\n");
    }
}
