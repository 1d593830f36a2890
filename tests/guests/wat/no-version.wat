;; Exports what looks like ours and names no version.
(component
  (instance $scorer)
  (export "xhost:plugin/scorer" (instance $scorer)))
