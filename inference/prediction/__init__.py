"""From image bytes to the public answer: classifier, replies, messages. No HTTP."""
