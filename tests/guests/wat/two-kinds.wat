;; Claims to be a scorer and a prompt builder at once.
(component
  (instance $scorer)
  (export "xhost:plugin/scorer@0.1.0" (instance $scorer))
  (instance $prompt-builder)
  (export "xhost:plugin/prompt-builder@0.1.0" (instance $prompt-builder)))
