"""What the slots app decides. Adapters (views, API, tasks) call these functions and nothing below them."""
