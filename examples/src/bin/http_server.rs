//! HTTP/1.1 and HTTP/2: `http_server [ADDRESS]`.

fn main() -> anyhow::Result<()> {
    examples::serve::until_asked(examples::http::server)
}
