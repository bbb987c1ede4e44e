"""Anthropic's Messages API, by the anthropic SDK: also that of gateways that speak it."""
