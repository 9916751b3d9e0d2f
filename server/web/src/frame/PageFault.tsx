import { Component, type ReactNode } from "react";

interface PageFaultProps {
  readonly children: ReactNode;
}

/** Stands in for a page that could not be loaded or drawn, and says what to do. */
export class PageFault extends Component<PageFaultProps, { readonly failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { readonly failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <div className="notice bad grid justify-items-start gap-2.5" role="alert">
        <h1>This page could not be shown</h1>
        <p>
          Most often the server has stopped, or it was started anew with another version of the page. Check
          that npm start is running, then load the page again.
        </p>
        <button type="button" className="button" onClick={() => location.reload()}>
          Load it again
        </button>
      </div>
    );
  }
}
