//! A chat, for `nc` or `telnet`: `chat_server [ADDRESS]`.

fn main() -> anyhow::Result<()> {
    examples::serve::until_asked(examples::chat::server)
}
