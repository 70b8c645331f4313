//! An axum router: `axum_server [ADDRESS]`.

fn main() -> anyhow::Result<()> {
    examples::serve::until_asked(examples::http::axum_server)
}
