interface Window {
  /** OHIF puts its drawing library here. */
  cornerstone?: { version?: string };
}
